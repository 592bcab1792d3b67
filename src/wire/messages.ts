/**
 * The messages of both protocols as the program sees them after `decode.ts` and before `encode.ts`. What each
 * means, with an example, is in PROTOCOL.md. Hashes are lower-case hex; sizes, offsets and lengths are bytes.
 */

import type { FileName } from "./file-name.ts";

export interface Hello {
  type: "HELLO";
  version: number;
  agent: string;
}

export interface Welcome {
  type: "WELCOME";
  version: number;
  agent: string;
  /** Index only: changes whenever the index starts without its former knowledge. */
  epoch?: string;
}

export interface ErrorMessage {
  type: "ERROR";
  id: number | null;
  code: string;
  message: string;
}

export interface Ok {
  type: "OK";
  id: number;
}

/** One file as its owner describes it. */
export interface FileEntry {
  name: FileName;
  sizeBytes: number;
  md5: string;
  root: string;
}

// --- to the index ---

export interface Register {
  type: "REGISTER";
  id: number;
  port: number;
  files: FileEntry[];
}

export interface Update {
  type: "UPDATE";
  id: number;
  add: FileEntry[];
  remove: FileName[];
}

export interface Query {
  type: "QUERY";
  id: number;
  /** As asked: any well-formed text of legal length; one that is no legal name simply has no match. */
  name: string;
}

export interface Search {
  type: "SEARCH";
  id: number;
  text: string;
  limit: number;
}

export interface Ping {
  type: "PING";
  id: number;
}

export type IndexRequest = Register | Update | Query | Search | Ping;

// --- from the index ---

export interface Source {
  /** Opaque id that the index gave this peer. */
  peer: string;
  host: string;
  port: number;
  /** True while the peer itself is still downloading the content. */
  partial: boolean;
}

export interface FoundContent {
  root: string;
  sizeBytes: number;
  md5: string;
  /** The names that matched, at most 16. */
  names: string[];
  /** How many peers hold the content, under whatever name. */
  total: number;
  /** At most 64 of them. */
  sources: Source[];
}

export interface Result {
  type: "RESULT";
  id: number;
  contents: FoundContent[];
}

export interface Match {
  name: string;
  sizeBytes: number;
  root: string;
  /** How many peers hold the content. */
  sources: number;
}

export interface Matches {
  type: "MATCHES";
  id: number;
  matches: Match[];
  more: boolean;
}

export type IndexAnswer = Welcome | Ok | Result | Matches | ErrorMessage;

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
}

export interface HaveNews {
  type: "HAVE_NEWS";
  root: string;
  chunk: number;
}

export type PeerAnswer = Welcome | HashesAnswer | Data | HaveAnswer | HaveNews | ErrorMessage;
