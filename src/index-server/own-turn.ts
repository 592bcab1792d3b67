/** The turns of one connection: how much of the one it has is used up. Pure; who comes when is rounds.ts's. */
import type { Rounds } from "./rounds.ts";

export class OwnTurn {
  /** Undefined: none has begun. */
  private lengthMs: number | undefined;
  private usedMs = 0;

  /** `onChange`: its turn is over, or another one may begin. */
  constructor(
    private readonly rounds: Rounds,
    private readonly nowMs: () => number,
    private readonly onChange: () => void,
  ) {}

  /** Nothing more should be worked on before `onChange`. */
  get isOver(): boolean {
    return this.lengthMs !== undefined && this.usedMs > this.lengthMs;
  }

  /** Runs something that counts. */
  spend(run: () => void): void {
    const startMs = this.nowMs();
    if (this.lengthMs === undefined) this.begin();
    try {
      run();
    } finally {
      const wasOver = this.isOver;
      this.usedMs += this.nowMs() - startMs;
      if (this.isOver && !wasOver) this.onChange();
    }
  }

  private begin(): void {
    this.usedMs = 0;
    this.lengthMs = this.rounds.begin(() => {
      const wasOver = this.isOver;
      this.lengthMs = undefined;
      if (wasOver) this.onChange();
    });
  }
}
