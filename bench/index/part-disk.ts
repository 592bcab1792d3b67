/** What a holding costs on disk, with the full text and without. */
import type { Row } from "../measure.ts";
import { checksTable, type Section } from "../transfer/report.ts";
import { untilSearchable } from "./ask.ts";
import { filesOfPeer, type Shape } from "./catalogue.ts";
import { Crowd } from "./crowd.ts";
import { startIndex } from "./servers.ts";
import { markdownTable, plainTarget, thousands } from "./tables.ts";
import type { Workspace } from "./workspace.ts";

export async function disk(workspace: Workspace): Promise<Section> {
  const shape: Shape = { peers: workspace.scaled(1_000), filesPerPeer: 1_000 };
  const holdings = shape.peers * shape.filesPerPeer;
  await using index = await startIndex(workspace, "disk");
  {
    await using crowd = new Crowd(index.port);
    await crowd.join(shape);
    await untilSearchable(index.port, filesOfPeer(shape.peers - 1, shape).at(-1)!.name);
    // Ended while its peers are there, because rows of those that left may go.
    await index.end();
  }
  const files = index.files().filter(({ bytes }) => bytes > 0);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0) / holdings;
  // The full text has a file of its own, where it is apart.
  const main = files.filter(({ name }) => mainFiles.test(name));
  const apart = main.length < files.length;
  const withoutText = apart ? main.reduce((sum, { bytes }) => sum + bytes, 0) / holdings : undefined;
  const checks: Row[] = [
    plainTarget(
      "a holding without full text",
      { atMost: 100 },
      "bytes",
      withoutText,
      withoutText?.toFixed(0) ?? "",
    ),
    plainTarget("a holding with full text", { atMost: 250 }, "bytes", total, total.toFixed(0)),
  ];
  const rows = files.map(({ name, bytes }) => [
    `\`${name}\``,
    (bytes / 1e6).toFixed(1),
    (bytes / holdings).toFixed(0),
  ]);
  return {
    title: `On disk: ${thousands(holdings)} holdings`,
    paragraphs: [
      `The files after the index has ended, its peers still there.${apart ? "" : " The full text, if there is any, has no file of its own."}`,
      markdownTable(["file", "MB", "bytes a holding"], rows),
      checksTable(checks),
    ],
  };
}

/** The database itself with what SQLite keeps beside it, and the lock. */
const mainFiles = /^index\.db(-wal|-shm|-journal|\.lock.*)?$/;
