/** What an index says over HTTP, and to whom it says nothing. */
import { Database } from "bun:sqlite";
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalIoError } from "../../src/errors.ts";
import { HttpStatus } from "../../src/index-server/http.ts";
import type { IndexMetrics } from "../../src/index-server/metrics.ts";
import { IndexServer } from "../../src/index-server/server.ts";
import { wireEntry } from "../helpers/file-entries.ts";
import { LineClient } from "../helpers/line-client.ts";
import { parsePrometheus, sampleOf } from "../helpers/prometheus.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const failures: unknown[] = [];

async function startIndex(databasePath = ":memory:"): Promise<IndexServer> {
  const log = () => {};
  const index = await IndexServer.start({
    host: "127.0.0.1",
    port: 0,
    databasePath,
    log: { info: log, warn: log, error: log },
  });
  stops.push(() => index.stop());
  return index;
}

function startHttp(index: () => IndexMetrics | undefined): { http: HttpStatus; url: string } {
  const http = HttpStatus.start({
    address: { host: "127.0.0.1", port: 0 },
    index,
    onFailure: (error) => failures.push(error),
  });
  stops.push(() => http.stop());
  return { http, url: `http://127.0.0.1:${http.port}` };
}

test("/metrics has the numbers of the running index", async () => {
  const index = await startIndex();
  const { url } = startHttp(() => index);
  await using client = await LineClient.greeted(index.port);
  const files = ["a", "b", "c"].map((name) => wireEntry(name));
  await client.request({ type: "REGISTER", id: 1, port: 7767, files });
  await client.request({ type: "QUERY", id: 2, name: "a" });
  await client.request({ type: "SEARCH", id: 3, text: "a", limit: 9 });
  await client.request({ type: "FROBNICATE", id: 4 });
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const families = parsePrometheus(await response.text());
  const value = (name: string, labels?: Record<string, string>) =>
    sampleOf(families, `p2p_index_${name}`, labels);
  expect(value("peers")).toBe(1);
  expect(value("files")).toBe(3);
  expect(value("connections")).toBe(1);
  expect(value("connections_accepted_total")).toBe(1);
  expect(value("requests_total", { type: "query" })).toBe(1);
  expect(value("requests_total", { type: "register" })).toBe(1);
  expect(value("requests_total", { type: "search" })).toBe(1);
  expect(value("errors_total", { code: "unknown_type" })).toBe(1);
  expect(value("memory_bytes")).toBeGreaterThan(1e6);
});

test("A40: names that would run in a browser are in no answer, none of which is a page", async () => {
  const index = await startIndex();
  const { url } = startHttp(() => index);
  await using client = await LineClient.greeted(index.port);
  const names = [
    "<img src=x onerror=fetch('e')>",
    '"><script>alert(1)',
    "javascript:alert(1)",
    "{{7*7}}",
    "=cmd|'C calc'!A0",
  ];
  const files = names.map((name) => wireEntry(name));
  expect(await client.request({ type: "REGISTER", id: 1, port: 7767, files })).toMatchObject({ type: "OK" });
  const asked = [
    "/metrics",
    "/healthz",
    "/readyz",
    "/",
    ...names.map((name) => `/${encodeURIComponent(name)}`),
  ];
  for (const path of asked) {
    const response = await fetch(url + path);
    expect(response.headers.get("content-type"), path).toStartWith("text/plain");
    expect(response.headers.get("x-content-type-options"), path).toBe("nosniff");
    const text = await response.text();
    for (const name of names) expect(text, path).not.toContain(name);
  }
});

test("/readyz follows the database, /healthz only the process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "p2p-http-"));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "index.db");
  let index: IndexServer | undefined;
  const { url } = startHttp(() => index);
  const said = async (page: string) => {
    const response = await fetch(url + page);
    return [response.status, await response.text()] as const;
  };
  expect(await said("/readyz")).toEqual([503, "the index is being started or stopped\n"]);
  expect((await said("/metrics"))[0]).toBe(503);
  index = await startIndex(path);
  expect(await said("/readyz")).toEqual([200, "ok\n"]);

  const another = new Database(path);
  another.run("BEGIN IMMEDIATE");
  expect(await said("/readyz")).toEqual([503, "another program keeps the index database locked\n"]);
  expect(await said("/healthz")).toEqual([200, "ok\n"]);
  another.run("COMMIT");
  another.close(true);
  expect((await said("/readyz"))[0]).toBe(200);

  const stopping = index.stop();
  expect((await said("/readyz"))[0]).toBe(503);
  await stopping;
  expect(await said("/healthz")).toEqual([200, "ok\n"]);
});

test("an index that does not say whether it is ready is not", async () => {
  const silent = { notReady: () => new Promise<undefined>(() => {}) } as unknown as IndexMetrics;
  const { url } = startHttp(() => silent);
  const response = await fetch(`${url}/readyz`);
  expect([response.status, await response.text()]).toEqual([503, "the database does not answer\n"]);
});

test.each([
  ["GET", "/", 404],
  ["GET", "/metrics/", 404],
  ["GET", "/../../etc/passwd", 404],
  ["GET", "/..%2f..%2fetc/passwd", 404],
  ["GET", "/%00", 404],
  ["GET", "//metrics", 404],
  ["GET", "/constructor", 404],
  ["GET", "/healthz?verbose", 200],
  ["HEAD", "/healthz", 200],
  ["HEAD", "/metrics", 200],
  ["POST", "/metrics", 405],
  ["DELETE", "/healthz", 405],
  ["PUT", "/", 404],
])("A39: %s %s: %d", async (method, path, status) => {
  const index = await startIndex();
  const { http } = startHttp(() => index);
  expect(await raw(http.port, asked(`Host: 127.0.0.1:${http.port}\r\n`, method, path))).toStartWith(
    `HTTP/1.1 ${status} `,
  );
  expect(failures).toEqual([]);
});

test.each([
  ["a body", "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", /^HTTP\/1.1 413 /],
  ["a long header", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(64 * 1024)}\r\n\r\n`, /^HTTP\/1.1 431 /],
  [
    "a host that is none",
    "GET /healthz HTTP/1.1\r\nHost: [[ a\r\nConnection: close\r\n\r\n",
    /^HTTP\/1.1 403 /,
  ],
  ["no HTTP", '{"type":"HELLO"}\n\r\n\r\n', /^(HTTP\/1.1 4\d\d |$)/],
])("%s does no harm", async (_what, request, answer) => {
  const index = await startIndex();
  const { http, url } = startHttp(() => index);
  expect(await raw(http.port, request)).toMatch(answer);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(failures).toEqual([]);
});

test("a port that is taken is said in one line, with what to do", () => {
  const { port } = startHttp(() => undefined).http;
  const start = () =>
    HttpStatus.start({
      address: { host: "127.0.0.1", port },
      index: () => undefined,
      onFailure: () => {},
    });
  expect(start).toThrow(LocalIoError);
  expect(start).toThrow(
    `cannot listen on 127.0.0.1:${port} for --http: the port is in use (EADDRINUSE); choose another port with --http PORT`,
  );
});

/** What comes back until the connection is closed. */
async function raw(port: number, request: string): Promise<string> {
  let answer = "";
  const closed = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data: (_, bytes) => {
        answer += bytes.toString();
      },
      close: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  });
  socket.write(request);
  await closed.promise;
  return answer;
}

const asked = (host: string, method = "GET", path = "/metrics") =>
  `${method} ${path} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`;

test.each([
  ["evil.example", "Host: evil.example\r\n"],
  ["a name that begins well", "Host: localhost.evil.example:PORT\r\n"],
  ["another port", "Host: 127.0.0.1:9\r\n"],
  ["no port", "Host: 127.0.0.1\r\n"],
  ["two", "Host: 127.0.0.1:PORT\r\nHost: evil.example\r\n"],
  ["another address", "Host: 10.0.0.1:PORT\r\n"],
  ["nothing", "Host: \r\n"],
])("A39: whoever calls it %s learns nothing", async (_, host) => {
  const index = await startIndex();
  const { http } = startHttp(() => index);
  const came = await raw(http.port, asked(host.replaceAll("PORT", String(http.port))));
  expect(came).toMatch(/^HTTP\/1\.1 40[03]/);
  expect(came).not.toContain("p2p_index");
});

test.each(["Host: 127.0.0.1:PORT\r\n", "Host: localhost:PORT\r\n", "Host: [::1]:PORT\r\n"])(
  "who calls it %j is answered, with headers that keep a browser from more",
  async (host) => {
    const index = await startIndex();
    const { http } = startHttp(() => index);
    const came = await raw(http.port, asked(host.replaceAll("PORT", String(http.port))));
    expect(came).toStartWith("HTTP/1.1 200");
    expect(came.toLowerCase()).toContain(
      "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    );
    expect(came.toLowerCase()).toContain("x-content-type-options: nosniff");
  },
);
