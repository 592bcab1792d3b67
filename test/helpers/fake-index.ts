/** An index that a test scripts: greets as one does, and answers the rest as it is told to. */
import { type FakeConnection, type FakeRequest, type FakeSource, fakeSource, line } from "./fake-source.ts";

export interface FakeQuestion extends FakeRequest {
  name?: string;
}

export function fakeIndex(answer: (question: FakeQuestion, to: FakeConnection) => void): FakeSource {
  return fakeSource((request, to) => {
    if (request.type !== "HELLO") answer(request, to);
    else to.send(line({ type: "WELCOME", version: 1, agent: "fake", epoch: "1" }));
  });
}
