/** Events of the commands that look at an index or at its database. The others are in events.ts. */

export type IndexEvent =
  | FolderEntryEvent
  | PeerEvent
  | StatsEvent
  | ExecutedEvent
  | CheckedEvent
  | FindingEvent
  | ProblemEvent
  | VacuumedEvent;

/** One of what is directly below a folder. */
export type FolderEntryEvent = SubfolderEvent | FolderFileEvent;

export interface SubfolderEvent {
  event: "entry";
  /** The whole name, as QUERY takes it when a `/` is put behind it. */
  name: string;
  folder: true;
}

export interface FolderFileEvent {
  event: "entry";
  /** The whole name. */
  name: string;
  folder: false;
  size: number;
  md5: string;
  root: string;
  sources: number;
}

/** What `doctor` has found out about one thing. */
export interface FindingEvent {
  event: "check";
  check: string;
  status: "ok" | "warn" | "fail" | "skipped";
  detail: string;
  /** What to do about it. */
  mend?: string;
}

/** One that is registered. */
export interface PeerEvent {
  event: "peer";
  /** What the index calls it. */
  peer: string;
  host: string;
  port: number;
  /** In a private network: who it is. */
  fingerprint?: string | undefined;
  files: number;
  /** Since it registered. */
  seconds: number;
}

export interface StatsEvent {
  event: "stats";
  /** `HOST:PORT`. */
  index: string;
  peers: number;
  /** Of all peers together. */
  files: number;
  /** Distinct ones. */
  names: number;
  connections: number;
  queries: number;
  /** Since the index was started. */
  seconds: number;
  memoryBytes: number;
  storage: string;
}

/** `watch --exec`: a command has ended. */
export interface ExecutedEvent {
  event: "executed";
  name: string;
  root: string;
  /** 128 and its number when a signal ended it; null when it could not be run. */
  exit: number | null;
  seconds: number;
}

/** `index check`: what it has looked at. Each of the problems is an event of its own before this. */
export interface CheckedEvent {
  event: "checked";
  db: string;
  schema: number;
  bytes: number;
  peers: number;
  /** Distinct names and contents. */
  entries: number;
  holdings: number;
  problems: number;
}

export interface ProblemEvent {
  event: "problem";
  message: string;
}

/** `index vacuum`. */
export interface VacuumedEvent {
  event: "vacuumed";
  db: string;
  bytesBefore: number;
  bytes: number;
  seconds: number;
}
