import { expect, test } from "bun:test";
import { systemCode } from "../../src/errors.ts";
import { SharedPort } from "../../src/net/shared-port.ts";

const host = "127.0.0.1";

function refusal(port: number): string | undefined {
  try {
    SharedPort.take(host, port).release();
    return undefined;
  } catch (error) {
    return systemCode(error);
  }
}

// Elsewhere there is no guard, only the look whether somebody listens.
test.skipIf(process.platform !== "linux")("a port that is taken is refused before anybody listens", () => {
  const first = SharedPort.take(host, 0);
  expect(refusal(first.port)).toBe("EADDRINUSE");
  first.release();
  expect(refusal(first.port)).toBeUndefined();
  first.release();
});

test("a port that somebody listens on is refused, also when that one would share", () => {
  const where = { hostname: host, port: 0, reusePort: true };
  const other = Bun.listen({ ...where, socket: { data() {} } });
  expect(refusal(other.port)).toBe("EADDRINUSE");
  other.stop(true);
});

test("free ports are different ones", () => {
  const taken = Array.from({ length: 20 }, () => SharedPort.take(host, 0));
  expect(new Set(taken.map(({ port }) => port)).size).toBe(taken.length);
  for (const port of taken) port.release();
});

test("an address that is not this machine's is refused", () => {
  expect(() => SharedPort.take("192.0.2.1", 0)).toThrow();
});
