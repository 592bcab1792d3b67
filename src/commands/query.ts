/**
 * `p2p query NAME`: finds a file and fetches it from everybody who has it.
 */
import { UsageError } from "../errors.ts";
import { IndexClient } from "../net/index-client.ts";
import * as kinds from "../options/kinds.ts";
import { argument, declare, flag, type OptionsOf, optional } from "../options/options.ts";
import { printable } from "../printable.ts";
import { unlessAborted } from "../shutdown.ts";
import { type FetchRequest, fetchByName, findContents } from "../transfer/fetch.ts";
import { targetOfQuery } from "../transfer/target.ts";
import { maxContentBytes, maxNameBytes } from "../wire/limits.ts";
import type { FoundContent } from "../wire/messages.ts";
import type { CommandContext } from "./context.ts";
import { FetchOutput } from "./fetch-output.ts";
import { downloading, index, printing, threads, transferOptions } from "./shared-args.ts";

export const declaration = declare({
  verb: "query",
  summary: "Fetch a file by name",
  arguments: {
    name: argument({ name: "NAME", description: "Last part of the file's name, or with a / the whole name" }),
  },
  options: {
    index,
    outputPath: optional(kinds.text("PATH"), {
      flag: "output",
      short: "o",
      defaultText: "./ and the last part of NAME",
      description: "File to write, or a folder when it exists or ends in /",
    }),
    /** Lower case. */
    rootPrefix: optional(kinds.rootPrefix, {
      flag: "root",
      defaultText: "any",
      description: "Which content is meant, by at least 4 hex digits of its root",
    }),
    sizeBytes: optional(kinds.bytes({ min: 0, max: maxContentBytes, multipleOf: 1 }), {
      flag: "size",
      defaultText: "any",
      description: "Which content is meant, by its size",
    }),
    force: flag({ flag: "force", default: false, description: "Replace a different file that is there" }),
    list: flag({ flag: "list", default: false, description: "Show who has it and fetch nothing" }),
    spaceCheck: flag({
      flag: "space-check",
      default: true,
      description: "Begin even when the disk seems to have too little room",
    }),
    threads,
    ...downloading,
    ...printing,
  },
});

export type QueryOptions = OptionsOf<typeof declaration>;

export async function run(options: QueryOptions, context: CommandContext): Promise<void> {
  const { name, rootPrefix, sizeBytes, force, spaceCheck, outputPath } = options;
  const { signal } = context;
  if (outputPath === "-") {
    throw new UsageError(
      "-o - is not possible: chunks come in any order; name a file (./- for one of that name)",
    );
  }
  const client = await open(options.index, signal);
  const said = new FetchOutput(name, context);
  try {
    const meant = { rootPrefix, sizeBytes };
    const ask = asking(client, options.index, signal);
    if (options.list) {
      for (const content of await findContents({ name, meant, ask })) list(name, content, context);
      return;
    }
    const target = () => targetOfQuery(name, outputPath);
    const transfer = transferOptions(options, spaceCheck);
    const fetched = await fetchByName({ name, meant, ask, target, force, transfer, signal }, said);
    said.close();
    said.complete(fetched);
  } finally {
    said.close();
    client.close();
  }
}

async function open(addresses: QueryOptions["index"], signal: AbortSignal): Promise<IndexClient> {
  const opening = IndexClient.open(addresses);
  try {
    return await unlessAborted(opening, signal);
  } catch (error) {
    // A connect cannot be cancelled: what comes up after the interruption is closed then.
    void opening.then(
      (client) => client.close(),
      () => {},
    );
    throw error;
  }
}

/** Over the connection that is there; should it be lost during the download, over a new one each time. */
function asking(
  client: IndexClient,
  addresses: QueryOptions["index"],
  signal: AbortSignal,
): FetchRequest["ask"] {
  return async (name) => {
    if (client.isOpen) return await unlessAborted(client.query(name), signal);
    const another = await open(addresses, signal);
    try {
      return await unlessAborted(another.query(name), signal);
    } finally {
      another.close();
    }
  };
}

function list(name: string, content: FoundContent, { output }: CommandContext): void {
  const { sizeBytes, md5, root, names, total, sources } = content;
  output.event({ event: "found", name, size: sizeBytes, md5, root, sources: total });
  output.text([`root ${root}`, `md5  ${md5}`, ...names.map((one) => `name ${printable(one, maxNameBytes)}`)]);
  for (const { host, port } of sources) output.event({ event: "source", host, port, root });
}
