/**
 * The messages that both protocols share, and those of the index, as the program sees them after `decode-*.ts` and
 * before `encode.ts`. What each means, with an example, is in PROTOCOL.md. Hashes are lower-case hex; sizes, offsets
 * and lengths are bytes. Those of a peer are in peer-messages.ts; what only shows an index to people, in
 * view-messages.ts.
 */

import type { FileName } from "./file-name.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type {
  Browse,
  Folder,
  PeersAnswer,
  PeersRequest,
  StatsAnswer,
  StatsRequest,
} from "./view-messages.ts";

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
  /** The answer to a REGISTER with `library`: whether all of that is registered now, or nothing. */
  held?: boolean;
  /** The answer to a REGISTER in a private network: where others reach the peer, as the index has found out. */
  host?: string;
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

/** All that a peer shares, in so few bytes: see library-digest.ts. */
export interface LibraryClaim {
  digest: string;
  files: number;
}

export interface Register {
  type: "REGISTER";
  id: number;
  port: number;
  /** Where it says that it is reached, instead of where the index sees it: believed of few, see PROTOCOL.md. */
  host?: string;
  /** Empty beside a `library`. */
  files: FileEntry[];
  /** "This is what I share: do you still hold it?" */
  library?: LibraryClaim;
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
  /** `next` of the page before; empty: from the beginning. */
  after: string;
  limit: number;
}

export interface Watch {
  type: "WATCH";
  id: number;
  /** As of a SEARCH. Contents that fit are told as they come, until UNSUBSCRIBE. */
  text: string;
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

export type IndexRequest =
  | Register
  | Update
  | Query
  | Unsubscribe
  | Search
  | Watch
  | List
  | Browse
  | PeersRequest
  | StatsRequest
  | Ping;

// --- from the index ---

export interface Source {
  /** Opaque id that the index gave this peer. */
  peer: string;
  host: string;
  port: number;
  /** True while the peer itself is still downloading the content. */
  partial: boolean;
  /** In a private network: who has to answer there. */
  fingerprint?: Fingerprint | undefined;
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
  /** What `after` is to be for the next page; undefined: there is none, or an older index cannot give it. */
  next: string | undefined;
}

/** Unasked, after a WATCH: contents that are new and fit. */
export interface Found {
  type: "FOUND";
  /** Of the WATCH. */
  id: number;
  matches: Match[];
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

export type IndexAnswer =
  | Welcome
  | Ok
  | Result
  | NewSources
  | Matches
  | Found
  | Names
  | Folder
  | PeersAnswer
  | StatsAnswer
  | ErrorMessage;
