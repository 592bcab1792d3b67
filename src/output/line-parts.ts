/** Parts that lines for people have in common: columns, shortened roots, addresses. Pure. */

import { type Address, formatAddress } from "../address.ts";
import { printable } from "../printable.ts";
import { formatBytes } from "./format.ts";

/** Longest a legal name can be (wire/limits.ts); a path may be longer. */
export const nameLimit = 1024;
export const pathLimit = 4096;

/** Hex digits of a root that people are shown: 48 bits do not collide by accident, and fit into a line. */
const shownRootDigits = 12;
/** Of a fingerprint: enough to tell machines apart by eye. */
const shownFingerprintDigits = 16;

export function column(sizeBytes: number): string {
  return formatBytes(sizeBytes).padStart(7);
}

export function shortRoot(root: string): string {
  return printable(root.slice(0, shownRootDigits));
}

export function hostAndPort({ host, port }: Address): string {
  return formatAddress({ host: printable(host), port });
}

/** In a private network: the beginning of who it is, as `p2p ban` takes it. Else nothing. */
export function whoIs({ fingerprint }: { fingerprint?: string | undefined }): string {
  return fingerprint === undefined ? "" : `  ${printable(fingerprint.slice(0, shownFingerprintDigits))}`;
}
