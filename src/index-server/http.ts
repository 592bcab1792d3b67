/**
 * What a running index says over HTTP to those who watch over it: `/metrics`, `/healthz`, `/readyz`. It reads, and
 * changes nothing; no name, peer or address of the network is told. What the numbers are is metrics.ts.
 */
import { type Address, formatAddress } from "../address.ts";
import { LocalIoError, reasonOf } from "../errors.ts";
import { isLoopback } from "../loopback.ts";
import { printable } from "../printable.ts";
import { type IndexMetrics, metricsContentType, metricsText } from "./metrics.ts";

export interface HttpStatusOptions {
  /** Port 0 takes any free one. */
  address: Address;
  /** Undefined while the index is being started or stopped. */
  index: () => IndexMetrics | undefined;
  /** One line for the log, about a bug. */
  onFailure: (error: unknown) => void;
}

/**
 * A connection on which nothing happens. (A request that does not come to its end is cut off after 12 s whatever
 * this says, one with headers of more than 16 KiB at once: measured.)
 */
const idleTimeoutSeconds = 30;
/** A database that does not answer is no ready one. */
const readyTimeoutMs = 2_000;

const plainText = "text/plain; charset=utf-8";

export class HttpStatus {
  private constructor(private readonly server: Bun.Server<undefined>) {}

  /** Throws LocalIoError when the port cannot be listened on. */
  static start(options: HttpStatusOptions): HttpStatus {
    const { host, port } = options.address;
    try {
      return new HttpStatus(
        Bun.serve({
          hostname: host,
          port,
          // Or else two processes would share the port, and each tell half of it.
          reusePort: false,
          idleTimeout: idleTimeoutSeconds,
          // Whoever sends a body is told so (413) and cut off.
          maxRequestBodySize: 0,
          development: false,
          fetch: (request, server) =>
            isMeant(request.headers.get("host"), { host, port: server.port ?? 0 })
              ? answer(request, options)
              : text(403, "this page is asked for by the address it is at"),
          error: (error) => {
            options.onFailure(error);
            return text(500, "internal error");
          },
        }),
      );
    } catch (error) {
      throw new LocalIoError(
        `cannot listen on ${formatAddress({ host: printable(host), port })} for --http: ${reasonOf(error)}; ` +
          "choose another port with --http PORT",
        { cause: error },
      );
    }
  }

  get port(): number {
    return this.server.port ?? 0;
  }

  /** Cuts every connection. */
  stop(): void {
    void this.server.stop(true);
  }
}

/**
 * A name that somebody else gives to 127.0.0.1 (DNS rebinding) would let any page in a browser of this machine read what
 * is here. Who listens elsewhere is called by whatever name. `asked` is what the request says as Host.
 */
function isMeant(asked: string | null, { host, port }: Address): boolean {
  if (!isLoopback(host)) return true;
  const [, name = "", bracketed, asksPort = "80"] =
    /^((?:\[([\da-f:.]+)\]|[^:]*))(?::(\d+))?$/i.exec(asked ?? "") ?? [];
  return isLoopback(bracketed ?? name) && Number(asksPort) === port;
}

async function answer(request: Request, options: HttpStatusOptions): Promise<Response> {
  const page = pages.get(pathOf(request.url));
  if (page === undefined) return text(404, "here are /metrics, /healthz and /readyz");
  if (request.method !== "GET" && request.method !== "HEAD")
    return text(405, "only GET and HEAD", { allow: "GET, HEAD" });
  return await page(options);
}

const pages = new Map<string, (options: HttpStatusOptions) => Response | Promise<Response>>([
  ["/metrics", metrics],
  ["/healthz", () => text(200, "ok")],
  ["/readyz", ready],
]);

function metrics({ index }: HttpStatusOptions): Response {
  const running = index();
  if (running === undefined) return text(503, notRunning);
  return new Response(metricsText(running.snapshot()), {
    headers: { ...always, "content-type": metricsContentType },
  });
}

async function ready({ index }: HttpStatusOptions): Promise<Response> {
  const running = index();
  const problem = running === undefined ? notRunning : await notReady(running);
  return problem === undefined ? text(200, "ok") : text(503, problem);
}

const notRunning = "the index is being started or stopped";

async function notReady(index: IndexMetrics): Promise<string | undefined> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve("the database does not answer"), readyTimeoutMs);
  try {
    return await Promise.race([index.notReady(), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Without what stands before and behind it; a request may name a host that is none, so no URL is made of it. */
function pathOf(url: string): string {
  return url.replace(/^[a-z]+:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, "");
}

const always = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

function text(status: number, line: string, headers: Record<string, string> = {}): Response {
  return new Response(`${line}\n`, { status, headers: { ...always, "content-type": plainText, ...headers } });
}
