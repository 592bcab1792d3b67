/** Requests as bytes to what an index says over HTTP: an answer or the end, nothing told but three pages, no failure. */
import { HttpStatus } from "../../../src/index-server/http.ts";
import { must, type Running, type Target } from "../target.ts";

/** For the port of the run. */
const standIn = "65432";
/** Longer than any request that is answered; one that is not whole is not waited for. */
const patienceMs = 20;
const statuses = new Set([200, 400, 403, 404, 405, 408, 411, 413, 414, 417, 431, 500, 501, 503, 505]);

class RunningHttp implements Running {
  private readonly failures: unknown[] = [];
  private readonly http = HttpStatus.start({
    address: { host: "127.0.0.1", port: 0 },
    index: () => undefined,
    onFailure: (error) => this.failures.push(error),
  });

  async run(input: Uint8Array): Promise<string> {
    const answer = await this.answerTo(input);
    must(this.failures.length === 0, `it failed: ${this.failures[0]}`);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1] ?? 0);
    must(answer === "" || (statuses.has(status) && status !== 500), `it answers ${answer.slice(0, 60)}`);
    must(!/root:|\n\s+at |\/src\//.test(answer), "it tells too much");
    const health = await fetch(`http://127.0.0.1:${this.http.port}/healthz`);
    must((await health.text()) === "ok\n", "it does not answer any more");
    return String(status);
  }

  end(): void {
    this.http.stop();
  }

  private async answerTo(input: Uint8Array): Promise<string> {
    let answer = "";
    const over = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: this.http.port,
      socket: {
        data: (_, bytes) => {
          answer += bytes.toString("latin1");
          if (answer.includes("\r\n\r\n")) over.resolve();
        },
        close: () => over.resolve(),
        error: () => over.resolve(),
      },
    });
    // By another name or port it tells nobody more than that.
    const text = Buffer.from(input).toString("latin1").replace(standIn, String(this.http.port));
    socket.write(Buffer.from(text, "latin1"));
    const timer = setTimeout(over.resolve, patienceMs);
    await over.promise;
    clearTimeout(timer);
    socket.terminate();
    return answer;
  }
}

const head = `Host: localhost:${standIn}\r\nConnection: close\r\n\r\n`;

export const httpTarget: Target = {
  name: "http",
  maxBytes: 32 * 1024,
  seeds: () => [
    ...[
      "/metrics",
      "/healthz",
      "/readyz?x=1#y",
      "/",
      "//metrics",
      "/../../etc/passwd",
      "/%2e%2e/%00",
      "http://evil/healthz",
      "*",
    ].map((path) => `GET ${path} HTTP/1.1\r\n${head}`),
    `HEAD /metrics HTTP/1.1\r\n${head}`,
    `POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n${head}hello`,
    `GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${head}5\r\nhello\r\n0\r\n\r\n`,
    `OPTIONS * HTTP/1.1\r\n${head}`,
    `GET / HTTP/1.0\r\n\r\n`,
  ],
  inCheck: 60,
  leastMs: 200,
  begin: () => new RunningHttp(),
};
