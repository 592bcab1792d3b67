/** Events of the commands that look at an index or at its database. The others are in events.ts. */

export type IndexEvent = CheckedEvent | ProblemEvent | VacuumedEvent;

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
