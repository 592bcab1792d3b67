/** `p2p query` for a folder or a pattern: fetches everything that it stands for, or lists it. */
import { NotFoundError } from "../errors.ts";
import { listAll } from "../net/list-all.ts";
import { printable } from "../printable.ts";
import type { QueryNode } from "../query-node.ts";
import { unlessAborted } from "../shutdown.ts";
import { isMeant, type Meant } from "../transfer/choose-content.ts";
import { fetchFolder } from "../transfer/fetch-folder.ts";
import { patternOf } from "../transfer/folder-look.ts";
import type { StoredFile } from "../transfer/folder-report.ts";
import { maxNameBytes } from "../wire/limits.ts";
import type { CommandContext } from "./context.ts";
import { FolderOutput, folderPlanEvent } from "./folder-output.ts";
import type { Fetching } from "./query.ts";
import { serveOn } from "./serve-on.ts";
import { worstOf } from "./worst.ts";

/** Throws the worst of what kept files from being fetched, when the others are there. */
export async function fetchFolderAndServe({
  node,
  meant,
  transfer,
  serves,
  options,
  context,
}: Fetching): Promise<void> {
  const { name, outputPath, force, explain, serveForSeconds } = options;
  const { signal } = context;
  const said = new RememberingOutput(
    name,
    context,
    explain ? (plan) => folderPlanEvent(name, plan, transfer, serves) : undefined,
  );
  try {
    const fetched = await fetchFolder(
      {
        pattern: name,
        meant,
        output: outputPath ?? ".",
        force,
        transfer,
        share: serves ? (of, content, offer) => node.share(of, content, offer) : undefined,
        index: () => node.index,
        signal,
      },
      said,
    );
    said.close();
    said.complete(fetched);
    if (serveForSeconds > 0) await serveOn(node, said.files, serveForSeconds, context);
    const worst = worstOf(fetched);
    if (worst !== undefined) throw worst;
  } finally {
    said.close();
  }
}

/** `--list`: what it stands for. */
export async function listFolder(
  node: QueryNode,
  pattern: string,
  meant: Meant,
  { output, signal }: CommandContext,
): Promise<void> {
  const pages = listAll(node.index, patternOf(pattern));
  let isEmpty = true;
  for (;;) {
    const page = await unlessAborted(pages.next(), signal);
    if (page.done) break;
    for (const file of page.value) {
      if (!isMeant(file, meant)) continue;
      isEmpty = false;
      const { name, sizeBytes, md5, root, total } = file;
      output.event({ event: "found", name, size: sizeBytes, md5, root, sources: total });
    }
  }
  if (isEmpty) throw new NotFoundError(`nobody shares a file that fits ${printable(pattern, maxNameBytes)}`);
}

/** Knows what is there in the end, to serve it. */
class RememberingOutput extends FolderOutput {
  readonly files: StoredFile[] = [];

  override stored(file: StoredFile): void {
    super.stored(file);
    this.files.push(file);
  }
}
