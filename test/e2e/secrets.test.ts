/** A38: whatever the program does, the token of a network is in nothing that it says or leaves behind. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { formatJoinLink, parseJoinLink } from "../../src/trust/join-link.ts";
import { newToken } from "../../src/trust/token.ts";
import { PrivateNetwork } from "../helpers/private-network.ts";

/** A crash leaves the memory of the process in a core, which is the system's doing. */
const withoutCore = Bun.which("prlimit") === null ? [] : ["prlimit", "--core=0"];

/** In which forms it would be recognised. */
function formsOf(token: string): string[] {
  const [text, drawn] = [Buffer.from(token), Buffer.from(token, "base64url")];
  return [
    token,
    ...[text, drawn].flatMap((bytes) => [bytes.toString("hex"), bytes.toString("base64").replace(/=+$/, "")]),
    text.toString("base64url"),
    // Of what was cut.
    token.slice(0, 20),
    token.slice(-20),
  ];
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

test("after all that can be done with it, the token is nowhere but where it belongs", async () => {
  await using network = await PrivateNetwork.start("--verbose", "--http", "0");
  const { token, link, index } = network;
  const wrong = formatJoinLink({ ...parseJoinLink(link), token: newToken() });
  const [there, here, nowhere] = [
    await network.machine(),
    await network.machine(),
    network.box.newFolder("state"),
  ];
  const loud = ["--verbose", "--json"];
  const cwd = network.box.newFolder("here");

  const peer = await network.peer(there, "a.bin", Buffer.alloc(2_000_000, "x"));
  const input = `QUERY a.bin\nSTATUS\nPEERS\n${link}\nQUERY ${link}\nNONSENSE\nEXIT\n`;
  const folder = network.box.newFolder("shared");
  await network.run(here, ["peer", folder, "--port", "0", ...loud], { stdin: { text: input } });
  await Promise.all([
    network.run(here, ["query", "a.bin", ...loud], { cwd }),
    network.run(here, ["query", "nothing", "--verbose"], { cwd }),
    network.run(here, ["query", "a.bin", "-o", "/proc/none/x"], { cwd }),
    network.run(here, ["query", "a.bin", "--token-file", token, ...loud]),
    network.run(here, ["query", "a.bin", `--token=${token}`, ...loud]),
    network.run(here, ["query", "a.bin", "--network", token, ...loud]),
    network.run(here, ["stats"], { env: { P2P_NETWORK: token } }),
    network.run(here, ["query", "--token", token, "a.bin"]),
    network.run(here, ["stats", "--index", "127.0.0.1:1", ...loud], { env: { P2P_TOKEN: token } }),
    network.run(here, ["stats", "--index", index.address, ...loud], { env: { P2P_TOKEN: token } }),
    network.run(here, ["stats"], { env: { P2P_TOKEN: `${token}\n` } }),
    network.run(here, [
      "serve-index",
      "--db",
      `postgres://me:${token}@127.0.0.1:1/p2p`,
      "--port",
      "0",
      ...loud,
    ]),
    network.run(nowhere, ["serve-index", "--port", "0", "--db", link, ...loud]),
    network.run(nowhere, ["token", token]),
    network.run(nowhere, ["token", "show", token]),
    network.run(nowhere, ["join", link, ...loud]),
    network.run(nowhere, [link]),
    network.run(nowhere, ["help", link]),
    network.run(nowhere, ["ls", "--index", link]),
    network.run(nowhere, ["peer", "--network", link]),
    network.join(nowhere, link.slice(0, -3), ...loud),
    network.join(nowhere, token, ...loud),
    network.join(nowhere, wrong, ...loud),
  ]);
  // What runs with it, and crashes or is told to leave its memory.
  for (const signal of ["SIGQUIT", "SIGSEGV", "SIGABRT"] as const) {
    const at = ["--index", index.address, "--port", "0", "--no-prompt", ...loud];
    const argv = ["peer", network.box.newFolder("shared"), ...at];
    const crashing = network.start(there, argv, { env: { P2P_TOKEN: token }, under: withoutCore });
    await crashing.waitUntil(() => crashing.stderr !== "" || crashing.stdout !== "", "a word");
    crashing.kill(signal);
    expect(await crashing.exit(), crashing.said()).toBeGreaterThan(128);
  }
  await network.run(network.home, ["token", "rotate", "--quiet"]);
  await peer.waitUntil(() => peer.stderr.includes("the token was changed"), "notice");

  const said = [...network.processes, index.process].map((each) => `${each.stdout}\n${each.stderr}`);
  const left = filesBelow(network.box.folder).filter((path) => !path.includes("/networks/"));
  expect([said.length > 25, left.length > 10]).toEqual([true, true]);
  for (const form of formsOf(token)) {
    for (const text of said) expect(text).not.toContain(form);
    expect(left.filter((path) => readFileSync(path).includes(form))).toEqual([]);
  }
  // So that the search is known to find: it is there, where it was joined.
  const kept = filesBelow(network.box.folder).filter((path) => readFileSync(path).includes(token));
  expect(kept.sort()).toEqual([there, here].map((home) => PrivateNetwork.fileIn(home)).sort());
});
