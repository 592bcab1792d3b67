/**
 * The messages that show people what an index has: folders, peers, numbers. Part of the index protocol, as messages.ts
 * is; what each means, with an example, is in PROTOCOL.md.
 */
import type { FileName } from "./file-name.ts";
import type { Fingerprint } from "./fingerprint.ts";

export interface Browse {
  type: "BROWSE";
  id: number;
  /** As asked, without a `/` at its end: any well-formed text of legal length. Empty: the top. */
  folder: string;
  /** Only children that come later in the order of their bytes; empty: all. */
  after: string;
  limit: number;
}

export interface PeersRequest {
  type: "PEERS";
  id: number;
  /** `next` of the page before; empty: from the beginning. */
  after: string;
  limit: number;
}

export interface StatsRequest {
  type: "STATS";
  id: number;
}

/** Child of a folder; `name` is relative to it and has no `/`. */
export type FolderEntry = Subfolder | FolderFile;

export interface Subfolder {
  folder: true;
  name: FileName;
}

export interface FolderFile {
  folder: false;
  name: FileName;
  sizeBytes: number;
  md5: string;
  root: string;
  /** How many peers hold the content. */
  sources: number;
}

export interface Folder {
  type: "FOLDER";
  id: number;
  entries: FolderEntry[];
  /** What `after` is to be for the next page; undefined: this is the last one. */
  next: FileName | undefined;
}

export interface RegisteredPeer {
  /** As in `Source`. */
  peer: string;
  host: string;
  port: number;
  /** In a private network: who it is. */
  fingerprint?: Fingerprint | undefined;
  files: number;
  /** Since it registered. */
  seconds: number;
}

export interface PeersAnswer {
  type: "PEERS";
  id: number;
  peers: RegisteredPeer[];
  /** What `after` is to be for the next page; undefined: this is the last one. */
  next: string | undefined;
}

export interface StatsAnswer {
  type: "STATS";
  id: number;
  /** Registered and connected. */
  peers: number;
  /** Of all peers together: one that two have counts twice. */
  files: number;
  /** Distinct names. */
  names: number;
  connections: number;
  /** QUERYs since the start. */
  queries: number;
  /** Since the start. */
  seconds: number;
  memoryBytes: number;
  /** By the index's clock, in milliseconds since 1970; an older index does not say. */
  timeMs?: number;
  /** `memory`, `sqlite` or `postgresql`; others may come. */
  storage: string;
}
