/**
 * `p2p ls [FOLDER]`: walks the names that the index knows as if they were folders.
 */
import { NotFoundError } from "../errors.ts";
import type { IndexClient } from "../net/index-client.ts";
import { argument, declare, flag, type OptionsOf } from "../options/options.ts";
import type { FolderEntryEvent } from "../output/index-events.ts";
import { printable } from "../printable.ts";
import { lastPart } from "../wire/file-name.ts";
import { maxNameBytes } from "../wire/limits.ts";
import { withIndex } from "./ask-index.ts";
import type { CommandContext } from "./context.ts";
import { networkOf } from "./network.ts";
import { asking, printing } from "./shared-args.ts";

export const declaration = declare({
  verb: "ls",
  summary: "List what is in a folder of the index",
  arguments: {
    folder: argument({
      name: "FOLDER",
      default: "/",
      description: "As in the names of files: dataset/ is what lies directly in it, / the top",
    }),
  },
  options: {
    ...asking,
    long: flag({
      flag: "long",
      short: "l",
      default: false,
      description: "Sizes, roots and how many have it as well",
    }),
    ...printing,
  },
});

export type LsOptions = OptionsOf<typeof declaration>;

export async function run(options: LsOptions, context: CommandContext): Promise<void> {
  await withIndex(await networkOf(options, context), context.signal, (client) =>
    listFolder(client, options.folder, options.long, context),
  );
}

/** Also for the prompt. Throws NotFoundError when there is nothing. */
export async function listFolder(
  client: IndexClient,
  folder: string,
  isLong: boolean,
  { output, signal }: Pick<CommandContext, "output" | "signal">,
): Promise<void> {
  let shown: string | undefined;
  const show = (entry: FolderEntryEvent): void => {
    if (isLong || output.json) output.event(entry);
    else {
      const name = `${printable(lastPart(entry.name), maxNameBytes)}${entry.folder ? "/" : ""}`;
      // A name with several contents has an entry for each.
      if (name !== shown) output.text([name]);
      shown = name;
    }
  };
  if (await showChildren(client, folder.replace(/^\/+|\/+$/g, ""), show, () => isStopped(signal, output)))
    return;
  if (!folder.endsWith("/") && (await showFile(client, folder, show))) return;
  throw new NotFoundError(
    folder === "" || folder === "/"
      ? `nobody shares a file at index ${client.label}`
      : `nobody shares a file in ${printable(folder, maxNameBytes)}`,
  );
}

function isStopped(signal: AbortSignal, output: CommandContext["output"]): boolean {
  return signal.aborted || !output.isRead;
}

/** False when there are none. */
async function showChildren(
  client: IndexClient,
  folder: string,
  show: (entry: FolderEntryEvent) => void,
  isOver: () => boolean,
): Promise<boolean> {
  const prefix = folder === "" ? "" : `${folder}/`;
  let hasAny = false;
  for (let after: string | undefined = ""; after !== undefined && !isOver(); ) {
    const { entries, next }: Awaited<ReturnType<IndexClient["browse"]>> = await client.browse(folder, after);
    for (const entry of entries) {
      const name = prefix + entry.name;
      if (entry.folder) show({ event: "entry", name, folder: true });
      else {
        const { sizeBytes, md5, root, sources } = entry;
        show({ event: "entry", name, folder: false, size: sizeBytes, md5, root, sources });
      }
      hasAny = true;
    }
    after = next;
  }
  return hasAny;
}

/** As `ls` does for a path that is no folder. */
async function showFile(
  client: IndexClient,
  name: string,
  show: (entry: FolderEntryEvent) => void,
): Promise<boolean> {
  const contents = await client.query(name);
  for (const { names, sizeBytes, md5, root, total } of contents) {
    // Without a `/` it is the name of files in other folders as well.
    if (names.includes(name))
      show({ event: "entry", name, folder: false, size: sizeBytes, md5, root, sources: total });
  }
  return contents.some(({ names }) => names.includes(name));
}
