/** The turns of one connection: how much of the one it has is used up. Pure; who comes when is rounds.ts's. */
import type { Rounds } from "./rounds.ts";

export class OwnTurn {
  /** Undefined: none has begun. */
  private lengthMs: number | undefined;
  private usedMs = 0;
  /** Undefined: nothing that counts is going on. */
  private sinceMs: number | undefined;
  private hasEnded = false;

  /** `onChange`: its turn is over, or another one may begin. */
  constructor(
    private readonly rounds: Rounds,
    private readonly nowMs: () => number,
    private readonly onChange: () => void,
  ) {}

  /** Nothing more should be worked on before `onChange`. */
  get isOver(): boolean {
    return this.hasEnded;
  }

  /** Does something that counts. */
  spend(work: () => void): void {
    if (this.lengthMs === undefined) this.begin();
    this.sinceMs = this.nowMs();
    try {
      work();
    } finally {
      this.look();
      this.usedMs += this.nowMs() - this.sinceMs;
      this.sinceMs = undefined;
    }
  }

  /** In the middle of it: whether to go on. */
  look(): void {
    if (this.hasEnded || this.lengthMs === undefined || this.sinceMs === undefined) return;
    if (this.usedMs + this.nowMs() - this.sinceMs <= this.lengthMs) return;
    this.hasEnded = true;
    this.onChange();
  }

  private begin(): void {
    this.usedMs = 0;
    this.lengthMs = this.rounds.begin(() => {
      const wasOver = this.hasEnded;
      this.lengthMs = undefined;
      this.hasEnded = false;
      if (wasOver) this.onChange();
    });
  }
}
