/**
 * What an index tells whoever watches over it, and the text in which Prometheus reads that. Pure. No label says
 * which peer or file: there may be millions, and a watcher keeps a series for each.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/, version 0.0.4
 */
import type { Histogram, IndexCounters } from "./counters.ts";

/** How an index is, at one moment. What is undefined does not exist there, and is left out. */
export interface IndexSnapshot {
  version: string;
  storage: "memory" | "sqlite" | "postgresql";
  uptimeSeconds: number;
  /** Wall clock, since 1970. */
  timeMs: number;
  memoryBytes: number;
  cpuSeconds: number;
  /** Registered now, what they hold, and the distinct names among that (also of those who left a while ago). */
  peers: number;
  files: number;
  names: number;
  connections: number;
  connectionsAccepted: number;
  connectionsRefused: number;
  subscriptions: number;
  /** Connections whose REGISTER, UPDATE, SEARCH or LIST is not answered, and peers whose rows are on their way out. */
  waiting: number;
  databaseBytes: number | undefined;
  counters: Pick<IndexCounters, "requests" | "queries" | "errors" | "queryTimes" | "failures">;
}

/** The index, as http.ts sees it. */
export interface IndexMetrics {
  snapshot(): IndexSnapshot;
  /** Why it is of no use to a peer at the moment, in one printable line; undefined: it is. */
  notReady(): string | undefined | Promise<string | undefined>;
}

export const metricsContentType = "text/plain; version=0.0.4; charset=utf-8";

export function metricsText(snapshot: IndexSnapshot): string {
  const { version, storage, counters } = snapshot;
  const requests = [["QUERY", counters.queries] as const, ...counters.requests];
  return [
    metric("info", "gauge", "Always 1; the labels say what runs.", [[1, { version, storage }]]),
    single("uptime_seconds", "gauge", "Time since the index was started.", snapshot.uptimeSeconds),
    single("memory_bytes", "gauge", "Resident memory of the process.", snapshot.memoryBytes),
    single("cpu_seconds_total", "counter", "Processor time of the process.", snapshot.cpuSeconds),
    single("peers", "gauge", "Peers that are registered.", snapshot.peers),
    single("files", "gauge", "Files of these peers, counted once for each peer.", snapshot.files),
    single(
      "names",
      "gauge",
      "Distinct names, also of peers that left and are not forgotten.",
      snapshot.names,
    ),
    single("connections", "gauge", "Open connections.", snapshot.connections),
    single(
      "connections_accepted_total",
      "counter",
      "Connections that were let in.",
      snapshot.connectionsAccepted,
    ),
    single(
      "connections_refused_total",
      "counter",
      "Connections over a limit, turned away or cut off before HELLO.",
      snapshot.connectionsRefused,
    ),
    single("subscriptions", "gauge", "Names that connections wait for.", snapshot.subscriptions),
    single("waiting", "gauge", "Changes and searches begun or waiting.", snapshot.waiting),
    single("database_bytes", "gauge", "Files of the database on the disk.", snapshot.databaseBytes),
    metric(
      "requests_total",
      "counter",
      "Requests understood, by type.",
      requests.map(([type, count]) => [count, { type: type.toLowerCase() }]),
    ),
    metric(
      "errors_total",
      "counter",
      "Requests answered with an ERROR, by its code.",
      [...counters.errors].map(([code, count]) => [count, { code: code.toLowerCase() }]),
    ),
    single("failures_total", "counter", "Times the database could not be used.", counters.failures),
    histogram("query_seconds", "Time to answer a QUERY, of one in 16.", counters.queryTimes),
  ].join("");
}

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

const prefix = "p2p_index_";

function single(name: string, type: "counter" | "gauge", help: string, value: number | undefined): string {
  return metric(name, type, help, value === undefined ? [] : [[value]]);
}

/** Nothing at all when there is no sample. */
function metric(name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  return `${head(name, type, help)}${samples.map(([value, labels]) => sample(name, value, labels)).join("")}`;
}

function histogram(name: string, help: string, times: Histogram): string {
  const counts = times.cumulative();
  const total = counts.at(-1) ?? 0;
  const buckets = times.bounds.map((bound, i) => sample(`${name}_bucket`, counts[i]!, { le: String(bound) }));
  return [
    head(name, "histogram", help),
    ...buckets,
    sample(`${name}_bucket`, total, { le: "+Inf" }),
    sample(`${name}_sum`, times.sum),
    sample(`${name}_count`, total),
  ].join("");
}

function head(name: string, type: string, help: string): string {
  return `# HELP ${prefix}${name} ${help}\n# TYPE ${prefix}${name} ${type}\n`;
}

function sample(name: string, value: number, labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${prefix}${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
