/** What `Asker` runs: asks the index for one name, again and again, and measures what each answer took. */
import { LineClient } from "./line-client.ts";

declare const self: Worker;

export interface AskerPlan {
  port: number;
  from: string;
  name: string;
  pauseMs: number;
}

/** First that it has begun, with nothing; then what was measured since the last message. */
export interface AskerReport {
  tookMs: number[];
  /** What an answer was that should not have been. */
  wrong?: string;
}

let tookMs: number[] = [];

function report(wrong?: string): void {
  postMessage({ tookMs, ...(wrong === undefined ? {} : { wrong }) } satisfies AskerReport);
  tookMs = [];
}

async function ask({ port, from, name, pauseMs }: AskerPlan): Promise<void> {
  await using client = await LineClient.greeted(port, from);
  report();
  for (let id = 1; ; id++) {
    const sinceMs = performance.now();
    const { contents } = await client.request({ type: "QUERY", id, name });
    tookMs.push(performance.now() - sinceMs);
    client.answers.length = 0;
    if ((contents as { total: number }[] | undefined)?.[0]?.total !== 1) throw new Error("not one source");
    await Bun.sleep(pauseMs);
  }
}

self.onmessage = ({ data }: MessageEvent<AskerPlan | "report">) => {
  if (data === "report") report();
  else ask(data).catch((error: unknown) => report(String(error)));
};
