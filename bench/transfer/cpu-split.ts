/** Sorts what perf saw into what a reader wants to know: hashing, copying, the rest of the system. Pure. */

export interface CpuShares {
  /** Copies between kernel and program, and clearing of fresh pages. */
  copies: number;
  /** What else the kernel did. */
  system: number;
  /** The program itself, its runtime and its hash. */
  program: number;
}

const copying = /copy|memcpy|memmove|memset|clear_page|rep_movs|csum/i;

/** Of `perf report --stdio -s dso,sym -t '|'`: lines of percent, object and symbol. The shares add up to 1. */
export function cpuShares(report: string): CpuShares {
  const shares = { copies: 0, system: 0, program: 0 };
  for (const line of report.split("\n")) {
    const [percent, object, symbol] = line.split("|").map((each) => each.trim());
    const share = Number.parseFloat(percent ?? "") / 100;
    if (line.startsWith("#") || Number.isNaN(share) || symbol === undefined) continue;
    if (copying.test(symbol)) shares.copies += share;
    else if (object?.startsWith("[") === true) shares.system += share;
    else shares.program += share;
  }
  const all = shares.copies + shares.system + shares.program;
  if (all > 0) for (const key of ["copies", "system", "program"] as const) shares[key] /= all;
  return shares;
}
