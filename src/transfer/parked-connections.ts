/**
 * Connections of one download thread that a download has no more use for and the next one may have: welcomed, nothing
 * owed. While one lies here nobody is asked anything over it, and what still comes (news of chunks) is not looked at.
 */
import type { Connection } from "../net/connection.ts";

export interface ParkedConnection {
  readonly connection: Connection;
  /** To the source and back, as its being made told. */
  readonly roundTripMs: number;
  /** Roots of which news of chunks may still come. */
  readonly watched: Set<string>;
}

export class ParkedConnections {
  private readonly parked = new Map<string, ParkedConnection[]>();

  /** `key`: of the source, see `keyOf`. */
  park(key: string, entry: ParkedConnection): void {
    const { connection } = entry;
    const there = this.parked.get(key);
    if (there === undefined) this.parked.set(key, [entry]);
    else there.push(entry);
    connection.use({
      onLine: () => 0,
      onProtocolError: () => connection.destroy(),
      onClose: () => this.forget(key, entry),
    });
    connection.resume();
  }

  /** One to that source, if there is any. */
  take(key: string): ParkedConnection | undefined {
    const [entry] = this.parked.get(key) ?? [];
    if (entry !== undefined) this.forget(key, entry);
    return entry;
  }

  closeAll(): void {
    for (const entry of [...this.parked.values()].flat()) entry.connection.destroy();
    this.parked.clear();
  }

  private forget(key: string, entry: ParkedConnection): void {
    const left = this.parked.get(key)?.filter((each) => each !== entry) ?? [];
    if (left.length > 0) this.parked.set(key, left);
    else this.parked.delete(key);
  }
}
