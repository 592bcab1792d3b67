/** Events of the commands that join, leave and keep private networks. The others are in events.ts. */

export type NetworkEvent = JoinedEvent | LeftEvent | LinkEvent | TokenEvent;

export interface JoinedEvent {
  event: "joined";
  network: string;
  /** `HOST:PORT`, of the link. */
  indexes: readonly string[];
  /** Of the index. */
  fingerprint: string;
  /** Whether the index was there, and the right one. */
  reached: boolean;
}

export interface LeftEvent {
  event: "left";
  network: string;
}

/** What others join with. Holds the token, and is said to who asks for it only. */
export interface LinkEvent {
  event: "link";
  network: string;
  link: string;
}

/** A new one, of no network yet. */
export interface TokenEvent {
  event: "token";
  token: string;
}
