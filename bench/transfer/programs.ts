/** The programs that p2p is compared with: where they are, and which Debian packages bring those that are missing. */

export interface Program {
  command: string;
  debianPackage: string;
}

/** Debian's own Python, for it alone sees the module that the package brings. */
export const debianPython = "/usr/bin/python3";

export const curl: Program = { command: "curl", debianPackage: "curl" };
export const nginx: Program = { command: "nginx", debianPackage: "nginx-light" };
export const aria2: Program = { command: "aria2c", debianPackage: "aria2" };
export const rsync: Program = { command: "rsync", debianPackage: "rsync" };
export const iperf3: Program = { command: "iperf3", debianPackage: "iperf3" };
export const libtorrent: Program = { command: debianPython, debianPackage: "python3-libtorrent" };
export const perf: Program = { command: "perf", debianPackage: "linux-perf" };

const all = [curl, nginx, aria2, rsync, iperf3, libtorrent];

/** nginx is where only root looks. */
const searchPath = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

export function isInstalled(program: Program): boolean {
  if (Bun.which(program.command, { PATH: searchPath }) === null) return false;
  if (program !== libtorrent) return true;
  return Bun.spawnSync([debianPython, "-c", "import libtorrent"], { stderr: "ignore" }).exitCode === 0;
}

export function pathOf({ command, debianPackage }: Program): string {
  const path = Bun.which(command, { PATH: searchPath });
  if (path === null) throw new Error(`${command} is missing (Debian: apt-get install -y ${debianPackage})`);
  return path;
}

/** One line that says what to install, or undefined when all is there. */
export function whatIsMissing(): string | undefined {
  const packages = all.filter((each) => !isInstalled(each)).map(({ debianPackage }) => debianPackage);
  if (packages.length === 0) return undefined;
  return `left out for want of packages: apt-get install -y ${packages.join(" ")}`;
}
