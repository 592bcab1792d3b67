/** The turns of one connection: how much of the one it has is used up. Pure; who comes when is rounds.ts's. */
import type { Rounds } from "./rounds.ts";

/** Whose turns they are. */
export interface TurnOwner {
  /** Its turn is over, or another one may begin. */
  applyPause(): void;
}

/** Whoever asks a question now and then never has a turn, which would cost as much as an answer that was kept. */
const shortMs = 0.1;

export class OwnTurn {
  /** Undefined: none has begun, because so little has been done. */
  private lengthMs: number | undefined;
  private usedMs = 0;
  /** Undefined: nothing that counts is going on. */
  private sinceMs: number | undefined;
  private hasEnded = false;

  constructor(
    private readonly rounds: Rounds,
    private readonly owner: TurnOwner,
  ) {}

  /** Nothing more should be worked on before `applyPause`. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  /** Something begins that counts, at this moment. */
  start(nowMs: number): void {
    this.sinceMs = nowMs;
  }

  stop(): void {
    if (this.sinceMs === undefined) return;
    const ms = this.rounds.nowMs() - this.sinceMs;
    this.sinceMs = undefined;
    this.use(ms);
    this.usedMs += ms;
  }

  /** In the middle of it: whether to go on. */
  look(): void {
    if (this.sinceMs !== undefined && !this.hasEnded) this.use(this.rounds.nowMs() - this.sinceMs);
  }

  /** Whether it is too much, with `ms` that do not count yet. */
  private use(ms: number): void {
    if (this.hasEnded || this.usedMs + ms <= (this.lengthMs ?? shortMs)) return;
    this.lengthMs ??= this.begin();
    if (this.usedMs + ms <= this.lengthMs) return;
    this.hasEnded = true;
    this.owner.applyPause();
  }

  private begin(): number {
    return this.rounds.begin(() => {
      const wasOver = this.hasEnded;
      this.lengthMs = undefined;
      this.usedMs = 0;
      this.hasEnded = false;
      if (wasOver) this.owner.applyPause();
    });
  }
}
