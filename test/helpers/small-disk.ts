/** A disk that is full at once or read-only, for tests as root on Linux. */

/** Only root can mount, and in some containers not even root. */
export const canMount =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]).exitCode === 0;

export class SmallDisk implements Disposable {
  /** `folder` is there and empty. Options are those of mount(8): `size=6m`, `ro`. */
  constructor(
    private readonly folder: string,
    options: string,
  ) {
    run(["mount", "-t", "tmpfs", "-o", options, "none", folder]);
  }

  remount(options: string): void {
    run(["mount", "-o", `remount,${options}`, this.folder]);
  }

  [Symbol.dispose](): void {
    // Lazily: after a failed test somebody may still have a file open there.
    run(["umount", "--lazy", this.folder]);
  }
}

function run(argv: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
}
