/**
 * How many bytes the connections of a process may keep together of what others have sent and nobody has dealt with
 * yet. Who would go beyond is not read from until there is room. Counts; pausing and reading are connection.ts's.
 */

/** Not counted, for each connection: questions and small changes get on whatever the others send. */
const freeBytes = 64 * 1024;
/**
 * So many may finish the line they are in, and have it applied, when there is no room: else unfinished lines could
 * fill it and wait for each other for ever.
 */
const maxOverdrafts = 8;
/** What whoever is let in is expected to take: a line of the index protocol. */
const expectedBytes = 1024 * 1024;

/** Whose account it is. An object, and no function: there are thousands of them. */
export interface RoomOwner {
  /** There may be room now: try again. */
  applyPause(): void;
}

export class ByteBudget {
  private usedBytes = 0;
  /** In the order in which they came. */
  private readonly waiting = new Set<ByteAccount>();
  private readonly overdrafts = new Set<ByteAccount>();
  private isWaking = false;

  constructor(private readonly totalBytes: number) {}

  /** Somebody waits for room. */
  get contended(): boolean {
    return this.waiting.size > 0;
  }

  get used(): number {
    return this.usedBytes;
  }

  open(owner: RoomOwner): ByteAccount {
    return new ByteAccount(this, owner);
  }

  // --- for ByteAccount ---

  change(account: ByteAccount, byBytes: number, needsMore: boolean): boolean {
    this.usedBytes += byBytes;
    if (byBytes < 0) this.wake();
    const hasDealtWithIt = needsMore && !account.neededMore;
    account.neededMore = needsMore;
    if (account.countedBytes === 0 || hasDealtWithIt) this.overdrafts.delete(account);
    const isWelcome =
      account.countedBytes === 0 ||
      this.usedBytes <= this.totalBytes ||
      // Whoever has had a message applied waits in the row again.
      (needsMore && !(hasDealtWithIt && this.contended) && this.overdraw(account));
    if (isWelcome) this.waiting.delete(account);
    else this.waiting.add(account);
    return isWelcome;
  }

  close(account: ByteAccount, bytes: number): void {
    this.usedBytes -= bytes;
    this.waiting.delete(account);
    this.overdrafts.delete(account);
    this.wake();
  }

  private overdraw(account: ByteAccount): boolean {
    if (this.overdrafts.size < maxOverdrafts) this.overdrafts.add(account);
    return this.overdrafts.has(account);
  }

  /** Later, since whoever made room is in the middle of something. */
  private wake(): void {
    if (this.isWaking || this.waiting.size === 0) return;
    this.isWaking = true;
    setImmediate(() => {
      this.isWaking = false;
      let roomBytes = this.totalBytes - this.usedBytes;
      let overdrafts = maxOverdrafts - this.overdrafts.size;
      for (const account of [...this.waiting]) {
        if (roomBytes > 0) roomBytes -= expectedBytes;
        else if (overdrafts-- <= 0) break;
        // To the end of the row when it has to wait all the same.
        this.waiting.delete(account);
        account.owner.applyPause();
      }
    });
  }
}

export class ByteAccount {
  private bytes = 0;
  private isClosed = false;
  /** As it was told last. For the budget. */
  neededMore = true;

  constructor(
    private readonly budget: ByteBudget,
    readonly owner: RoomOwner,
  ) {}

  get countedBytes(): number {
    return this.bytes;
  }

  /**
   * What the connection keeps now; `needsMore`: only by reading on will it be less. False: it should not read on
   * before `applyPause`.
   */
  keep(bytes: number, needsMore: boolean): boolean {
    if (this.isClosed) return true;
    const before = this.bytes;
    this.bytes = Math.max(0, bytes - freeBytes);
    // Most connections never keep much.
    if (before === 0 && this.bytes === 0) return true;
    return this.budget.change(this, this.bytes - before, needsMore);
  }

  /** Idempotent. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.budget.close(this, this.bytes);
    this.bytes = 0;
  }
}
