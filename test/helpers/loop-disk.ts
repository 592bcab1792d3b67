/**
 * A file system whose power can be cut: ext4 in a file. What the system has not written out by then is lost, as it
 * would be. Mounts are those of the namespace of a long test.
 */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { system } from "./long-test.ts";

export class LoopDisk implements Disposable {
  readonly folder: string;
  private readonly device: string;

  private constructor(private readonly image: string) {
    this.folder = `${image}.mounted`;
    mkdirSync(this.folder);
    // So mounted, the loop device goes with its mount, also when that goes with the namespace.
    system("mount", "-o", "loop", image, this.folder);
    this.device = system("findmnt", "--noheadings", "--output", "SOURCE", this.folder).trim();
  }

  static create(image: string, sizeMiB: number): LoopDisk {
    system("truncate", "-s", `${sizeMiB}M`, image);
    system("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", image);
    return new LoopDisk(image);
  }

  /** What would be there if the power had gone at this moment. The disk itself goes on. */
  afterPowerCut(image: string): LoopDisk {
    // A copy takes a while: when something was written meanwhile it is of no one moment.
    for (let i = 0; i < maxCopies; i++) {
      const before = this.written();
      copyFileSync(this.image, image);
      if (this.written() === before) return new LoopDisk(image);
    }
    throw new Error(`${this.device} was written to during each of ${maxCopies} copies`);
  }

  [Symbol.dispose](): void {
    // Lazily: after a failed test somebody may still have a file open there.
    system("umount", "--lazy", this.folder);
  }

  /** A count that grows with each write. */
  private written(): string {
    const stat = readFileSync(`/sys/block/${basename(this.device)}/stat`, "utf8");
    return stat.trim().split(/\s+/).slice(4, 7).join(" ");
  }
}

const maxCopies = 50;
