/**
 * The private networks that this machine has joined, or whose index runs here: `networks/NAME.json` in the state folder,
 * for this user's eyes only. A file that others may read, or that is not as it was written, is refused and not mended:
 * what is in it decides who is believed.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import type { Address } from "../address.ts";
import { LocalIoError, reasonOf, systemCode, UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readSecretFile, refuseSharedFolder, writeNewFile } from "../private-file.ts";
import { ProcessLock } from "../process-lock.ts";
import {
  decodeStoredNetwork,
  encodeStoredNetwork,
  type NetworkName,
  networkName,
  type StoredNetwork,
} from "./stored-network.ts";

const ending = ".json";
/** For more indexes than anybody has. */
const maxFileBytes = 64 * 1024;
/** A change takes some milliseconds; who is killed in one leaves a lock that counts no more. */
const patienceMs = 3_000;

export class NetworkStore {
  private readonly folder: string;

  /** Neither of the folders need exist. */
  constructor(private readonly state: string) {
    this.folder = join(state, "networks");
  }

  /** Undefined when there is no such network. Throws UsageError (others may read it, or write there) and LocalIoError. */
  read(name: NetworkName): StoredNetwork | undefined {
    const path = this.pathOf(name);
    if (existsSync(this.folder)) for (const folder of [this.state, this.folder]) refuseSharedFolder(folder);
    let bytes: Uint8Array | undefined;
    try {
      bytes = readSecretFile(path, maxFileBytes);
    } catch (error) {
      if (isNothing(error)) return undefined;
      if (error instanceof UsageError) throw error;
      throw cannot("read", path, error);
    }
    const network = bytes && decodeStoredNetwork(bytes);
    if (network !== undefined) return network;
    throw new LocalIoError(
      `${printable(path, 500)} is not the file of a network any more: remove it, and join again with the network's link`,
    );
  }

  /** The first that has such an index. */
  withIndex(isMeant: (index: Address) => boolean): NetworkName | undefined {
    for (const name of this.names()) {
      if (this.read(name)?.indexes.some(isMeant)) return name;
    }
    return undefined;
  }

  names(): NetworkName[] {
    try {
      return readdirSync(this.folder)
        .filter((file) => file.endsWith(ending))
        .map((file) => networkName(file.slice(0, -ending.length)))
        .filter((name) => name !== undefined)
        .sort();
    } catch (error) {
      if (isNothing(error)) return [];
      throw cannot("read", this.folder, error);
    }
  }

  /**
   * What is there is read, and what `change` makes of it written in its place, at once and as a whole; nobody else
   * changes anything meanwhile. Throws what `change` throws, and then nothing is changed.
   */
  change(name: NetworkName, change: (known: StoredNetwork | undefined) => StoredNetwork): StoredNetwork {
    const path = this.pathOf(name);
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      chmodSync(this.folder, 0o700);
    } catch (error) {
      throw cannot("write", path, error);
    }
    return this.locked(() => {
      const network = change(this.read(name));
      this.replace(path, name, network);
      return network;
    });
  }

  /** False when there was none. Also removes one that cannot be read. */
  remove(name: NetworkName): boolean {
    const path = this.pathOf(name);
    try {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
      this.locked(() => unlinkSync(path));
      return true;
    } catch (error) {
      if (isNothing(error)) return false;
      throw error instanceof LocalIoError ? error : cannot("remove", path, error);
    }
  }

  /** Another text whenever the network has been written anew; undefined when it is not there. */
  stampOf(name: NetworkName): string | undefined {
    const stats = statSync(this.pathOf(name), { bigint: true, throwIfNoEntry: false });
    return stats && `${stats.ino}:${stats.mtimeNs}:${stats.ctimeNs}`;
  }

  private replace(path: string, name: NetworkName, network: StoredNetwork): void {
    const draft = join(this.folder, `.${name}-${crypto.randomUUID()}`);
    try {
      writeNewFile(draft, encodeStoredNetwork(network));
      renameSync(draft, path);
    } catch (error) {
      rmSync(draft, { force: true });
      throw cannot("write", path, error);
    }
  }

  private locked<Result>(act: () => Result): Result {
    const lock = ProcessLock.acquire(join(this.folder, ".lock"), "changing what was joined here", {
      patienceMs,
    });
    try {
      return act();
    } finally {
      lock.release();
    }
  }

  private pathOf(name: NetworkName): string {
    return join(this.folder, `${name}${ending}`);
  }
}

/** There is no such file, or no folder that it could be in. */
function isNothing(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function cannot(what: string, path: string, error: unknown): LocalIoError {
  return new LocalIoError(`cannot ${what} ${printable(path, 500)}: ${reasonOf(error)}`, { cause: error });
}
