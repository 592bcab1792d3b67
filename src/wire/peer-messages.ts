/**
 * The messages of the peer protocol, as messages.ts has those of the index. What each means, with an example, is in
 * PROTOCOL.md.
 */
import type { ErrorMessage, Welcome } from "./messages.ts";

// --- to a peer ---

export interface HashesRequest {
  type: "HASHES";
  id: number;
  root: string;
}

export interface Get {
  type: "GET";
  id: number;
  root: string;
  offset: number;
  length: number;
}

export interface HaveRequest {
  type: "HAVE";
  id: number;
  root: string;
  /** Also tell what has been sent to somebody. Absent is the same as false. */
  sent?: boolean;
}

export type PeerRequest = HashesRequest | Get | HaveRequest;

// --- from a peer ---

/** Followed by `length` raw bytes. */
export interface HashesAnswer {
  type: "HASHES";
  id: number;
  length: number;
}

/** Followed by `length` raw bytes. */
export interface Data {
  type: "DATA";
  id: number;
  offset: number;
  length: number;
}

/** The answer to HAVE has `id` and `chunks`; news has neither `id` nor `chunks` but `chunk`. */
export interface HaveAnswer {
  type: "HAVE";
  id: number;
  root: string;
  /** Bitfield, first chunk in the highest bit of the first byte. */
  chunks: Uint8Array;
  /** Chunks that were sent or promised to somebody, when that was asked for. A hint. */
  sent?: Uint8Array;
}

export interface HaveNews {
  type: "HAVE_NEWS";
  root: string;
  chunk: number;
}

/** The source has now sent the chunk, or promised it, to somebody. */
export interface SentNews {
  type: "SENT";
  root: string;
  chunk: number;
}

export type PeerAnswer = Welcome | HashesAnswer | Data | HaveAnswer | HaveNews | SentNews | ErrorMessage;
