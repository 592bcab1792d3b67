/**
 * The messages of both protocols as the program sees them after `decode-*.ts` and before `encode.ts`. What each
 * means, with an example, is in PROTOCOL.md. Hashes are lower-case hex; sizes, offsets and lengths are bytes.
 */

import type { FileName } from "./file-name.ts";

export interface Hello {
  type: "HELLO";
  version: number;
  agent: string;
  /** Connections that say the same belong together. A hint. */
  session?: string;
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
  /** With BUSY as the answer to a GET: nothing is wrong with the source, but it is better to come back then. */
  retryMs?: number;
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
  /** The owner is still downloading it. Absent is the same as false. */
  partial?: boolean;
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
  /** New sources are to be told as they register, until UNSUBSCRIBE. Absent is the same as false. */
  subscribe?: boolean;
}

export interface Unsubscribe {
  type: "UNSUBSCRIBE";
  id: number;
  /** Id of the QUERY that subscribed. */
  query: number;
}

export interface Search {
  type: "SEARCH";
  id: number;
  text: string;
  limit: number;
}

export interface List {
  type: "LIST";
  id: number;
  /** As asked: any well-formed text of legal length. What it means is PROTOCOL.md's to say. */
  pattern: string;
  /** Only names that come later in the order of their bytes; empty: all. */
  after: string;
  limit: number;
}

export interface Ping {
  type: "PING";
  id: number;
}

export type IndexRequest = Register | Update | Query | Unsubscribe | Search | List | Ping;

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

/** Unasked, after a QUERY that subscribed: sources that are new, and nothing but these. */
export interface NewSources {
  type: "SOURCES";
  /** Of the QUERY. */
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

/** One name and content that some peer has whole. */
export interface ListedFile {
  name: FileName;
  sizeBytes: number;
  md5: string;
  root: string;
  /** How many peers hold the content whole, under whatever name. */
  total: number;
  /** At most 8 of them. On the wire each peer of a message stands in one place, whatever it has. */
  sources: Source[];
}

export interface Names {
  type: "NAMES";
  id: number;
  files: ListedFile[];
  /** What `after` is to be for the next page; undefined: this is the last one. */
  next: FileName | undefined;
}

export type IndexAnswer = Welcome | Ok | Result | NewSources | Matches | Names | ErrorMessage;

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
