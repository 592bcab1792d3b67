/**
 * What all upload threads know together of one content, in shared memory: which of its chunks were sent or promised to
 * anybody, and how many connections want to be told of news. Everything is a hint: what is right at the moment of a
 * race is not worth a lock.
 */

/** Places of the integers in front of the bits. */
const sentAt = 0;
const roundAt = 1;
const watchersAt = 2;
const headBytes = 12;

/** More than the contents that the threads have open; 128 of the largest are 16 MiB. Above, knowledge gets lost. */
const maxBoards = 128;

export class ContentBoard {
  /** Chunks sent in the present round, first chunk in the highest bit of the first byte. */
  readonly sent: Uint8Array;
  private readonly head: Int32Array;

  constructor(
    readonly shared: SharedArrayBuffer,
    readonly chunkCount: number,
  ) {
    this.head = new Int32Array(shared, 0, headBytes / 4);
    this.sent = new Uint8Array(shared, headBytes);
  }

  static make(chunkCount: number): ContentBoard {
    return new ContentBoard(new SharedArrayBuffer(headBytes + Math.ceil(chunkCount / 8)), chunkCount);
  }

  /** When all chunks have been sent the next round begins, in which none has been. */
  get round(): number {
    return Atomics.load(this.head, roundAt);
  }

  /** Connections of all threads that want news. */
  get watchers(): number {
    return Atomics.load(this.head, watchersAt);
  }

  watched(by: 1 | -1): void {
    Atomics.add(this.head, watchersAt, by);
  }

  /** These chunks were promised to somebody. True when that is news of any of them. */
  add(first: number, count: number): boolean {
    let isNews = false;
    for (let chunk = first; chunk < Math.min(first + count, this.chunkCount); chunk++) {
      const bit = 0x80 >> (chunk & 7);
      if ((Atomics.or(this.sent, chunk >> 3, bit) & bit) !== 0) continue;
      isNews = true;
      if (Atomics.add(this.head, sentAt, 1) + 1 >= this.chunkCount) this.endRound();
    }
    return isNews;
  }

  private endRound(): void {
    Atomics.add(this.head, roundAt, 1);
    Atomics.store(this.head, sentAt, 0);
    this.sent.fill(0);
  }
}

/** As the uploader keeps them: one for each content, for all threads that will ask for it. */
export class ContentBoards {
  private readonly boards = new Map<string, ContentBoard>();

  of(root: string, chunkCount: number): ContentBoard {
    const board = this.boards.get(root) ?? ContentBoard.make(chunkCount);
    this.boards.delete(root);
    this.boards.set(root, board);
    const [oldest] = this.boards.keys();
    if (oldest !== undefined && this.boards.size > maxBoards) this.boards.delete(oldest);
    return board;
  }

  /** Undefined: nobody has asked for the content yet, or not for long. */
  get(root: string): ContentBoard | undefined {
    return this.boards.get(root);
  }
}
