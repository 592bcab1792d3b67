/** How a command ends of whose files some failed: with the class, and so the exit code, of the worst. Pure. */

import {
  AmbiguousError,
  AuthenticationError,
  IndexError,
  LocalIoError,
  NoSourceError,
  NotFoundError,
  type P2pError,
  VerificationError,
  WouldOverwriteError,
} from "../errors.ts";
import { formatCount, formatWhole } from "../output/format.ts";
import { printable } from "../printable.ts";
import type { FileFailure, FolderFetched } from "../transfer/folder-report.ts";
import { maxNameBytes } from "../wire/limits.ts";

/**
 * The worst first: the less a second run of the same command would mend. So a script may run it again as long as it
 * ends with 5 or 8, and will not do so for ever because of a file that needs a person.
 */
const bySeverity: readonly (new (message: string, options: ErrorOptions) => P2pError)[] = [
  // Somebody sends wrong data: to be looked into, whatever else went wrong.
  VerificationError,
  // Somebody is not who he should be, or we do not belong there any more.
  AuthenticationError,
  // A full disk or a missing permission stays, and keeps other files out as well.
  LocalIoError,
  // A choice to be made: by --force, or by fetching the one name with --root.
  WouldOverwriteError,
  AmbiguousError,
  // Nobody shares it any more.
  NotFoundError,
  // Both may be better in a minute; without an index nothing at all can be found.
  IndexError,
  NoSourceError,
];

/** The error that ends the command, if any of its files failed. Of equally bad ones it names the first. */
export function worstOf({
  fetched,
  alreadyThere,
  failed: failures,
}: Pick<FolderFetched, "fetched" | "alreadyThere" | "failed">): P2pError | undefined {
  const files = fetched.files + alreadyThere.files + failures.length;
  let worst: FileFailure | undefined;
  for (const failure of failures) {
    if (worst === undefined || rankOf(failure.error) < rankOf(worst.error)) worst = failure;
  }
  if (worst === undefined) return undefined;
  const { name, error } = worst;
  const Class = bySeverity[rankOf(error)];
  // No failure of a single file, such as a signal: the whole command ends by it.
  if (Class === undefined) return error;
  const count = `${formatWhole(failures.length)} of ${formatCount(files, "file")} failed`;
  const which = failures.length > 1 ? "; the worst: " : ": ";
  return new Class(`${count}${which}${printable(name, maxNameBytes)}: ${error.message}`, { cause: error });
}

/** -1 for what is not in the table. */
function rankOf(error: P2pError): number {
  return bySeverity.findIndex((Class) => error instanceof Class);
}
