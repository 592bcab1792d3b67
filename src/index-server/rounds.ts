/**
 * How long one connection's lines are worked on before others get their share: what slows a flood down. Whoever has
 * had its turn is not read from until the round is over, and loses nothing. Pure; pausing is index-connection.ts's.
 *
 * A number of messages a second for each connection would be no such limit: ten thousand questions in one write are
 * legitimate and answered in a fraction of a second, fifty lines of 1 MiB are half a second of work.
 */

/** The longest turn, when few have anything to say. */
const maxTurnMs = 3;
/** What somebody with a single question should wait for all the others, as far as `minTurnMs` allows. */
const roundMs = 20;
/** Beginning and ending a shorter one would be most of it. */
const minTurnMs = 0.25;

export class Rounds {
  private turnsBefore = 0;
  private turns: (() => void)[] = [];

  /** `soon` runs something once what is ready has been read. */
  constructor(private readonly soon: (run: () => void) => void) {}

  /** Somebody begins its turn of this round. Returns how long it may be; `onNext`: a new one may begin. */
  begin(onNext: () => void): number {
    if (this.turns.length === 0) this.soon(() => this.end());
    this.turns.push(onNext);
    const expected = Math.max(this.turns.length, this.turnsBefore);
    return Math.max(minTurnMs, Math.min(maxTurnMs, roundMs / expected));
  }

  private end(): void {
    const ended = this.turns;
    this.turns = [];
    this.turnsBefore = ended.length;
    for (const onNext of ended) onNext();
  }
}
