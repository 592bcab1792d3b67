/** Whether an index is there, lets us in, and has the same time as we have. */
import { monotonicMs, wallMs } from "../clock.ts";
import { AuthenticationError, IndexError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import { formatCount, formatDuration } from "../output/format.ts";
import { shortFingerprint } from "../trust/fingerprint.ts";
import type { IndexAddress, Network } from "../trust/network.ts";
import type { StatsAnswer } from "../wire/view-messages.ts";
import type { Finding } from "./finding.ts";

/** What a clock is off by without anybody minding: the time to and from the index is part of it. */
const maxClockMs = 5_000;

/** The client is open, and the caller's to close; undefined: there is none. */
export async function checkIndex(
  { membership }: Network,
  index: IndexAddress,
): Promise<{ findings: Finding[]; client: IndexClient | undefined }> {
  let client: IndexClient | undefined;
  try {
    client = await IndexClient.open({ indexes: [index], membership });
    const askedMs = monotonicMs();
    const stats = await client.stats();
    const roundTripMs = monotonicMs() - askedMs;
    const { label } = client;
    return { findings: [answers(label, stats, roundTripMs, index, membership), clock(stats)], client };
  } catch (error) {
    client?.close();
    return { findings: [notThere(error)], client: undefined };
  }
}

function answers(
  label: string,
  { peers, files }: StatsAnswer,
  roundTripMs: number,
  { fingerprints }: IndexAddress,
  membership: Network["membership"],
): Finding {
  const has = `${formatCount(peers, "peer")}, ${formatCount(files, "file")}`;
  const how =
    membership === undefined
      ? "open network, nothing is encrypted"
      : `private network, ${fingerprints === undefined ? "known by the token alone" : `fingerprint ${fingerprints.map(shortFingerprint).join(" or ")}`}`;
  const detail = `${label} answers in ${roundTripMs.toFixed(1)} ms: ${has}; ${how}`;
  return { check: "index", status: "ok", detail };
}

/** Pure. `nowMs`: by our clock, since 1970. */
export function clock({ timeMs }: Pick<StatsAnswer, "timeMs">, nowMs: number = wallMs()): Finding {
  if (timeMs === undefined)
    return { check: "clock", status: "skipped", detail: "the index is too old to tell its time" };
  const aheadMs = nowMs - timeMs;
  const by = formatDuration(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= maxClockMs)
    return { check: "clock", status: "ok", detail: `agrees with the index (${Math.round(aheadMs)} ms)` };
  const detail = `is ${by} ${aheadMs > 0 ? "ahead of" : "behind"} the index's: times of files are off by as much`;
  return { check: "clock", status: "warn", detail, mend: "sudo timedatectl set-ntp true" };
}

function notThere(error: unknown): Finding {
  if (error instanceof AuthenticationError)
    return {
      check: "index",
      status: "fail",
      detail: error.message,
      cause: error,
      mend: "p2p join, with a new link (`p2p token show` on the index's machine prints it)",
    };
  if (!(error instanceof IndexError)) throw error;
  return {
    check: "index",
    status: "fail",
    detail: error.message,
    cause: error,
    mend: "p2p serve-index, on that machine",
  };
}
