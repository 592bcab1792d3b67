/** What the binary can do, found out by asking it: an experiment that needs more says so instead of failing. */
import { existsSync } from "node:fs";
import { p2p } from "./contender-p2p.ts";
import { makeFilePayload, makeFolderPayload, type Payload, removePayload } from "./payload.ts";
import { type Contender, loopbackPlan, Stage } from "./stage.ts";
import type { Workspace } from "./workspace.ts";

export interface P2pFeatures {
  /** `--up` and `--down`. */
  limits: boolean;
  /** A downloader serves what it has; `--serve-for`. */
  serving: boolean;
  /** `p2p query 'dir/'`. */
  folders: boolean;
  /** `-o -`. */
  stdout: boolean;
  /** What `p2p query --help` says. */
  help: string;
}

/** Fills in `workspace.features`. */
export async function findFeatures(workspace: Workspace): Promise<void> {
  const { features } = workspace;
  features.help = Bun.spawnSync([workspace.settings.binary, "query", "--help"]).stdout.toString();
  features.limits = features.help.includes("--up=") && features.help.includes("--down=");
  features.serving = features.help.includes("--serve-for=");
  // Tried with two small payloads: an unknown name or usage is a failure that comes at once.
  features.stdout = features.folders = true;
  const probeBytes = 1000;
  const file = makeFilePayload(workspace.folder, probeBytes);
  features.stdout = await works(
    workspace,
    p2p({ pipeTo: ({ payloadPath }) => `cmp - '${payloadPath}'` }),
    file,
  );
  const folder = makeFolderPayload(workspace.folder, 2, probeBytes);
  features.folders = await works(workspace, p2p(), folder);
}

async function works(workspace: Workspace, contender: Contender, payload: Payload): Promise<boolean> {
  try {
    await using stage = new Stage(workspace, { ...loopbackPlan(workspace, payload), timeoutMs: 10_000 });
    const start = await contender.prepare(stage);
    await start(0);
    return contender.leavesOutput === false || existsSync(stage.outputFolder(0));
  } catch {
    return false;
  } finally {
    removePayload(payload);
  }
}
