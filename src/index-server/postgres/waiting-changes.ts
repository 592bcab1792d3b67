/** Changes of one peer that are not begun, as the lines that they came in; they are done in their order. */
import type { Applied, ChangeType } from "../catalog.ts";

export interface WaitingChange {
  readonly type: ChangeType;
  readonly line: Uint8Array;
  done(applied: Applied): void;
  failed(error: unknown): void;
}

export class WaitingChanges {
  private readonly changes: WaitingChange[] = [];
  private onArrival = () => {};

  get first(): WaitingChange | undefined {
    return this.changes[0];
  }

  add(change: WaitingChange): void {
    this.changes.push(change);
    this.onArrival();
  }

  take(): WaitingChange | undefined {
    return this.changes.shift();
  }

  /** Resolves when the next one comes, or `end` does. */
  async arrival(end: Promise<void>): Promise<void> {
    const arrived = new Promise<void>((resolve) => {
      this.onArrival = resolve;
    });
    await Promise.race([arrived, end]);
  }
}
