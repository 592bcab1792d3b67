/**
 * The least time in which a file can reach everybody, if it were a fluid: no program can be faster, whoever sends
 * what to whom. Pure.
 */

export interface Swarm {
  fileBytes: number;
  /** Bytes a second that the one who has the file can send. */
  seedUp: number;
  /** Bytes a second of each of the others. */
  peersUp: readonly number[];
  peersDown: readonly number[];
}

/** Either the seed, the slowest receiver, or all who send together are what it waits for. */
export function fluidBoundSeconds({ fileBytes, seedUp, peersUp, peersDown }: Swarm): number {
  const allUp = peersUp.reduce((sum, each) => sum + each, seedUp);
  return Math.max(
    fileBytes / seedUp,
    fileBytes / Math.min(...peersDown),
    (peersDown.length * fileBytes) / allUp,
  );
}
