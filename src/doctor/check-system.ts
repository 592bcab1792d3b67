/** Limits of the system, and the state folder. */
import { accessSync, constants, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LocalIoError, reasonOf, systemCode } from "../errors.ts";
import { scanFolder } from "../library/scan.ts";
import { openFileLimit } from "../net/file-limit.ts";
import { formatCount } from "../output/format.ts";
import { printable } from "../printable.ts";
import { isWrittenByOthers } from "../private-file.ts";
import type { Finding } from "./finding.ts";

/** A peer has up to 512 connections and a file for each, an index 4,096. */
const fewFiles = 4_096;

export function checkFileLimit(limit: number = openFileLimit()): Finding {
  const check = "open files";
  const detail = `at most ${limit === Number.POSITIVE_INFINITY ? "as many as there is room for" : limit}`;
  if (limit >= fewFiles) return { check, status: "ok", detail };
  const mend = "ulimit -n 65536 (for a service: LimitNOFILE=65536)";
  return { check, status: "warn", detail: `${detail}: an index lets in fewer than it could`, mend };
}

/** One watch a folder. */
export async function checkWatching(folder: string, signal: AbortSignal): Promise<Finding> {
  const check = "folder watching";
  if (process.platform !== "linux")
    return { check, status: "ok", detail: "this system has no limit of its own for it" };
  const watches = numberIn("/proc/sys/fs/inotify/max_user_watches");
  const instances = numberIn("/proc/sys/fs/inotify/max_user_instances");
  let folders: number;
  try {
    folders = await countFolders(folder, signal);
  } catch (error) {
    if (systemCode(error) === "ENOENT")
      return { check, status: "skipped", detail: `there is no ${printable(folder)} to watch` };
    throw new LocalIoError(`cannot read ${printable(folder)}: ${reasonOf(error)}`, { cause: error });
  }
  const detail = `${formatCount(folders, "folder")} of at most ${watches} that one user may watch`;
  if (instances < 16)
    return {
      check,
      status: "warn",
      detail: `at most ${instances} programs of one user may watch folders`,
      mend: "sudo sysctl fs.inotify.max_user_instances=1024",
    };
  if (folders < watches / 2) return { check, status: "ok", detail };
  const mend = `sudo sysctl fs.inotify.max_user_watches=${Math.max(524_288, 4 * folders)}`;
  return { check, status: folders < watches ? "warn" : "fail", detail, mend };
}

async function countFolders(folder: string, signal: AbortSignal): Promise<number> {
  const folders = new Set([""]);
  const visitor = {
    file: (name: string) => {
      for (let at = name.lastIndexOf("/"); at > 0; at = name.lastIndexOf("/", at - 1)) {
        if (folders.has(name.slice(0, at))) return;
        folders.add(name.slice(0, at));
      }
    },
    skipped() {},
    partialFile() {},
  };
  await scanFolder(folder, [""], visitor, signal);
  return folders.size;
}

function numberIn(path: string): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return Number.POSITIVE_INFINITY;
    throw new LocalIoError(`cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Where the identity, the token and the databases are: this user's to write, and nobody else's to read. */
export function checkState(folder: string): Finding {
  const check = "state";
  const shown = printable(folder, 200);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (systemCode(error) === "ENOENT")
      return { check, status: "ok", detail: `${shown} does not exist yet: it is made when it is needed` };
    return {
      check,
      status: "fail",
      detail: `${shown} cannot be used: ${reasonOf(error)}`,
      mend: `sudo chown -R "$USER" ${shown}`,
    };
  }
  if (isWrittenByOthers(folder))
    return { check, status: "fail", detail: `others may write to ${shown}`, mend: `chmod go-w ${shown}` };
  const open = ["identity.pem", "networks"].filter((name) => isReadByOthers(join(folder, name)));
  if (open.length === 0) return { check, status: "ok", detail: shown };
  const detail = `others may read ${open.join(" and ")} in ${shown}`;
  return { check, status: "fail", detail, mend: `chmod -R go-rwx ${shown}` };
}

function isReadByOthers(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return process.platform !== "win32" && stats !== undefined && (stats.mode & 0o077) !== 0;
}
