/** Notices when somebody has removed or replaced the database or its journal: what is written then is seen by nobody. */
import { reasonOf } from "../../errors.ts";
import { printable } from "../../printable.ts";
import type { IndexDatabase } from "./database.ts";

const checkMs = 2_000;

export class PlaceWatch {
  private readonly timer: Timer;

  /** `onProblem` is called once at most. */
  constructor(
    private readonly database: Pick<IndexDatabase, "isInPlace">,
    private readonly path: string,
    onProblem: (line: string) => void,
  ) {
    this.timer = setInterval(() => {
      const { problem } = this;
      if (problem === undefined) return;
      this.stop();
      onProblem(problem);
    }, checkMs);
  }

  /** As of now, in one line. */
  get problem(): string | undefined {
    const shown = printable(this.path, 500);
    try {
      if (this.database.isInPlace()) return undefined;
      return `the database ${shown} or its -wal was removed or replaced while the index was using it: start the index again`;
    } catch (error) {
      return `cannot look at the database ${shown}: ${reasonOf(error)}`;
    }
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
