/**
 * How many bytes may wait to be sent on all connections of a process together, because the other sides do not take them.
 * Each alone is bounded by not reading from it (`maxBufferedBytes`, and one answer); thousands of them are not. When
 * there is more than may be, whoever has taken nothing for the longest time is cut: who reads what he asked for is never
 * that one for long. Counts; sockets are connection.ts's. Pure.
 */

/** Whose account it is. An object, and no function: there are thousands of them. */
export interface UnsentOwner {
  /** The connection has to end; what waits on it counts no longer. */
  destroy(): void;
}

export class UnsentBudget {
  private waitingBytes = 0;
  /** Only those of whom something waits. */
  private readonly accounts = new Set<UnsentAccount>();

  constructor(private readonly mostBytes: number) {}

  get bytes(): number {
    return this.waitingBytes;
  }

  open(owner: UnsentOwner): UnsentAccount {
    return new UnsentAccount(this, owner);
  }

  // --- for UnsentAccount ---

  change(account: UnsentAccount, byBytes: number): void {
    this.waitingBytes += byBytes;
    if (account.bytes > 0) this.accounts.add(account);
    else this.accounts.delete(account);
    while (this.waitingBytes > this.mostBytes) {
      const slowest = this.slowest();
      if (slowest === undefined) return;
      slowest.close();
      slowest.owner.destroy();
    }
  }

  private slowest(): UnsentAccount | undefined {
    let slowest: UnsentAccount | undefined;
    for (const account of this.accounts) {
      if (slowest === undefined || account.takenAtMs < slowest.takenAtMs) slowest = account;
    }
    return slowest;
  }
}

export class UnsentAccount {
  bytes = 0;
  /** When the other side last took something. */
  takenAtMs = 0;
  private isClosed = false;

  constructor(
    private readonly budget: UnsentBudget,
    readonly owner: UnsentOwner,
  ) {}

  /** What waits now. */
  set(bytes: number, takenAtMs: number): void {
    // Most never have anything waiting.
    if (this.isClosed || (bytes === 0 && this.bytes === 0)) return;
    const byBytes = bytes - this.bytes;
    this.bytes = bytes;
    this.takenAtMs = takenAtMs;
    this.budget.change(this, byBytes);
  }

  /** Idempotent. */
  close(): void {
    this.set(0, this.takenAtMs);
    this.isClosed = true;
  }
}
