/**
 * Who gets in where the network is private, over real sockets: A22, A23, A35, and somebody in between (SECURITY.md
 * 1.2, 1.3).
 */
import { afterEach, describe, expect, test } from "bun:test";
import { monotonicMs } from "../../src/clock.ts";
import { AuthenticationError } from "../../src/errors.ts";
import { addressLimit } from "../../src/net/address-limits.ts";
import { connect, type SecureConnecting } from "../../src/net/connect.ts";
import { peerConnectionLimits } from "../../src/net/connection-limits.ts";
import { AddressGate } from "../../src/net/gate.ts";
import { Listener } from "../../src/net/listener.ts";
import { AcceptingSide, ConnectingSide } from "../../src/net/proving.ts";
import { tlsOptions } from "../../src/net/tls.ts";
import { Membership } from "../../src/trust/membership.ts";
import type { Fingerprint } from "../../src/wire/fingerprint.ts";
import { encodeAuth } from "../../src/wire/proof-messages.ts";
import { alice, bob, mallory, otherToken } from "../helpers/memberships.ts";
import { type TlsRelay, tlsRelay } from "../helpers/tls-relay.ts";
import { until } from "../helpers/until.ts";

const host = "127.0.0.1";
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** Says every line back, and remembers who said it. */
class Echo {
  readonly lines: string[] = [];
  readonly fingerprints: (Fingerprint | undefined)[] = [];
  readonly listener: Listener;

  constructor(
    public membership: Membership | undefined,
    failedProofs = 1_000,
    gate?: AddressGate,
  ) {
    this.listener = new Listener({
      host,
      port: 0,
      limits: { ...peerConnectionLimits, failedProofsPerAddress: addressLimit(5, failedProofs) },
      gate,
      ...(membership && {
        secure: {
          identity: membership.identity,
          purpose: "index",
          membership: () => this.membership ?? membership,
        },
      }),
      accept: (connection) => {
        this.fingerprints.push(connection.fingerprint);
        return {
          greeted: true,
          onLine: (line) => {
            const text = Buffer.from(line).toString();
            this.lines.push(text);
            connection.send(`${text}\n`);
            return 0;
          },
          onClose: () => {},
        };
      },
    });
    cleanups.push(() => this.listener.stop());
  }

  get port(): number {
    return this.listener.port;
  }
}

function as(membership: Membership, expected?: Membership): SecureConnecting {
  return { membership, purpose: "index", expected: expected && [expected.identity.fingerprint] };
}

/** What came back. */
async function ask(port: number, secure: SecureConnecting | undefined): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const user = {
    onLine: (line: Uint8Array) => {
      resolve(Buffer.from(line).toString());
      return 0;
    },
    onClose: (error: Error | undefined) => reject(error ?? new Error("closed")),
  };
  const connection = await connect({ host, port }, user, { secure, timeoutMs: 2_000 });
  cleanups.push(() => connection.destroy());
  connection.send("good day\n");
  return await promise;
}

async function refusal(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AuthenticationError);
  return (error as Error).message;
}

describe("two of the same network", () => {
  test("talk, and each knows who the other is", async () => {
    const echo = new Echo(alice);
    expect(await ask(echo.port, as(bob, alice))).toBe("good day");
    expect(echo.fingerprints).toEqual([bob.identity.fingerprint]);
  });

  test("talk when it was not said who answers: the token is enough", async () => {
    expect(await ask(new Echo(alice).port, as(bob))).toBe("good day");
  });

  test("a proof for peers is none for an index", async () => {
    const echo = new Echo(alice);
    expect(await refusal(ask(echo.port, { ...as(bob, alice), purpose: "peer" }))).toContain("token");
    expect(echo.lines).toEqual([]);
  });
});

describe("whoever does not belong there", () => {
  test("with another token learns nothing, says nothing, and is not heard of (A22)", async () => {
    const echo = new Echo(alice);
    expect(await refusal(ask(echo.port, as(mallory)))).toContain("does not know the token of this network");
    expect(echo.fingerprints).toEqual([]);
    expect(echo.lines).toEqual([]);
  });

  test("is not talked to when it answers with another identity (A35)", async () => {
    const echo = new Echo(bob);
    expect(await refusal(ask(echo.port, as(bob, alice)))).toContain("not the machine that is meant");
    expect(echo.fingerprints).toEqual([]);
  });

  test("does not encrypt: the client says so (A23)", async () => {
    const echo = new Echo(undefined);
    expect(await refusal(ask(echo.port, as(bob, alice)))).toContain("it does not encrypt");
    expect(echo.lines.join("")).not.toContain("good day");
  });

  test("does not encrypt, at one that does: told to join (A23)", async () => {
    const echo = new Echo(alice);
    expect(await refusal(ask(echo.port, undefined))).toContain("run `p2p join`");
    expect(echo.lines).toEqual([]);
  });

  test("may fail five times a minute from one address", async () => {
    const echo = new Echo(alice, 5);
    for (let i = 0; i < 5; i++) await failToProve(echo.port);
    expect(ask(echo.port, as(bob, alice))).rejects.toThrow();
    expect(echo.fingerprints).toEqual([]);
  });
});

test("when the token is changed, who came with the old one is cut off, and comes back with the new one only", async () => {
  const echo = new Echo(alice);
  const old = await held(echo.port, as(bob, alice));
  const halfway = held(echo.port, as(bob, alice)).catch(() => undefined);
  echo.membership = new Membership(alice.identity, otherToken);
  const young = await held(echo.port, as(mallory, alice));
  echo.listener.dropOldMembers();
  await until(() => old.isClosed);
  expect(await refusal(ask(echo.port, as(bob, alice)))).toContain("the token was changed");
  // The one that was being let in has come in time or not at all: it is gone either way.
  const late = await halfway;
  await until(() => late?.isClosed ?? true);
  expect(young.isClosed).toBe(false);
});

/** A connection on which nothing is said. */
async function held(port: number, secure: SecureConnecting): Promise<{ isClosed: boolean }> {
  const user = {
    isClosed: false,
    onLine: () => 0,
    onClose() {
      this.isClosed = true;
    },
  };
  const connection = await connect({ host, port }, user, { secure, timeoutMs: 2_000 });
  cleanups.push(() => connection.destroy());
  return user;
}

describe("who is banned here", () => {
  const banning = (...bans: string[]) => new AddressGate({ allow: [], deny: [], bans });

  test("by its fingerprint is told so once it has proved to belong to the network, and not before", async () => {
    const echo = new Echo(alice, 1_000, banning(bob.identity.fingerprint.slice(0, 8)));
    const answer = JSON.parse(await ask(echo.port, as(bob, alice)));
    expect(answer).toMatchObject({ type: "ERROR", code: "DENIED" });
    expect(echo.fingerprints).toEqual([]);
    expect(echo.lines).toEqual([]);
    expect(await ask(echo.port, as(alice, alice))).toBe("good day");
  });

  test("by its address is cut off before TLS begins", async () => {
    const echo = new Echo(alice, 1_000, banning("127.0.0.1"));
    expect(ask(echo.port, as(bob, alice))).rejects.toThrow("before TLS was up");
    expect(echo.fingerprints).toEqual([]);
  });

  test("has to go when that happens while it is here", async () => {
    const gate = banning();
    const echo = new Echo(alice, 1_000, gate);
    const lines: string[] = [];
    const closed = Promise.withResolvers<void>();
    const user = {
      onLine: (line: Uint8Array) => lines.push(Buffer.from(line).toString()) * 0,
      onClose: () => closed.resolve(),
    };
    const secure = as(bob, alice);
    const connection = await connect({ host, port: echo.port }, user, { secure, timeoutMs: 2_000 });
    cleanups.push(() => connection.destroy());
    await until(() => echo.fingerprints.length === 1);
    gate.ban([bob.identity.fingerprint]);
    await closed.promise;
    expect(lines).toEqual([expect.stringContaining('"DENIED"')]);
  });
});

describe("who fails behind one address with a member", () => {
  test("does not keep the member out", async () => {
    const echo = new Echo(alice, 2);
    expect(await ask(echo.port, as(bob, alice))).toBe("good day");
    for (let i = 0; i < 5; i++) await failToProve(echo.port);
    expect(await ask(echo.port, as(bob, alice))).toBe("good day");
  });
});

describe("a connection that is cut while both prove themselves", () => {
  test.each([
    ["at once", 0],
    ["when TLS is up", 1],
  ])("%s is no sign of another machine", async (_, answers) => {
    let came = 0;
    const server = Bun.listen({
      hostname: host,
      port: 0,
      ...(answers > 0 && { tls: tlsOptions(alice.identity) }),
      socket: {
        open: (socket) => void (answers === 0 && socket.terminate()),
        data: (socket) => {
          came++;
          socket.terminate();
        },
      },
    });
    cleanups.push(() => server.stop(true));
    const error = await ask(server.port, as(bob, alice)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(AuthenticationError);
    expect(came).toBe(answers);
  });
});

describe("somebody in between", () => {
  function relay(toPort: number): TlsRelay {
    const started = tlsRelay(mallory.identity, toPort);
    cleanups.push(() => started[Symbol.dispose]());
    return started;
  }

  test("is seen by the fingerprint, before a word is said", async () => {
    const echo = new Echo(alice);
    const between = relay(echo.port);
    expect(await refusal(ask(between.port, as(bob, alice)))).toContain("not the machine that is meant");
    expect(between.passed.join("")).not.toContain("AUTH");
    expect(echo.fingerprints).toEqual([]);
  });

  test("is seen by the proof where no fingerprint is known, and gets none of the client's", async () => {
    const echo = new Echo(alice);
    const between = relay(echo.port);
    expect(await refusal(ask(between.port, as(bob)))).toContain("somebody is in between");
    // The client's first line and the index's proof have passed, and nothing after them.
    expect(between.passed.filter((text) => text.includes('"AUTH"'))).toHaveLength(1);
    expect(between.passed.filter((text) => text.includes('"PROOF"'))).toHaveLength(1);
    expect(echo.fingerprints).toEqual([]);
  });
});

/** One TLS connection on which `lines` are said as they are; resolves with all that came until it was closed. */
async function say(
  port: number,
  lines: readonly string[],
  { tls = tlsOptions(mallory.identity) }: { tls?: Bun.TLSOptions } = {},
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let came = "";
  let said = 0;
  await Bun.connect({
    hostname: host,
    port,
    tls,
    socket: {
      handshake(socket) {
        socket.write(lines[said++] ?? "");
      },
      data(socket, bytes) {
        came += bytes.toString();
        if (said < lines.length) socket.write(lines[said++]!);
      },
      close: () => resolve(came),
      error: () => resolve(came),
    },
  });
  return await promise;
}

async function failToProve(port: number): Promise<void> {
  await say(port, ['{"type":"HELLO","version":1,"agent":"x"}\n']);
}

/** AUTH and PROOF as bob says them to alice, on a connection of which nothing is left. */
function linesOfAnHonestClient(): string[] {
  const lines: string[] = [];
  const proofs: string[] = [];
  const exported = new Uint8Array(32).fill(9);
  let isLetIn = false;
  const [own, other] = [bob.identity.fingerprint, alice.identity.fingerprint];
  const client = new ConnectingSide(
    {
      connection: { send: (line) => lines.push(String(line)) },
      key: bob.keyFor("index"),
      own,
      other,
      exported,
    },
    () => {},
  );
  const server = new AcceptingSide(
    {
      connection: { send: (line) => proofs.push(String(line)) },
      key: alice.keyFor("index"),
      own: other,
      other: own,
      exported,
    },
    { proved: () => (isLetIn = true), refused: () => {} },
  );
  client.begin();
  server.onLine(Buffer.from(lines[0]!.trimEnd()));
  client.onLine(Buffer.from(proofs[0]!.trimEnd()));
  server.onLine(Buffer.from(lines[1]!.trimEnd()));
  expect(isLetIn).toBe(true);
  return lines;
}

describe("raw lines", () => {
  const nonce = new Uint8Array(32).fill(7);
  const proof = (text: string) => `{"type":"PROOF","proof":${text}}\n`;

  test("what a client has said on another connection lets nobody in (A22)", async () => {
    const lines = linesOfAnHonestClient();
    const echo = new Echo(alice);
    const answer = await say(echo.port, [...lines, "good day\n"]);
    expect(answer).toContain('"PROOF"');
    expect(echo.fingerprints).toEqual([]);
    expect(echo.lines).toEqual([]);
  });

  test.each([
    ["null", "null"],
    ["one byte", '"AA"'],
    ["a number", "1"],
    ["32 bytes of zeros", `"${"A".repeat(43)}"`],
    ["in two forms", `"${"A".repeat(42)}B"`],
    ["nothing", '""'],
  ])("A22, A30: a proof that is %s ends the connection without a word", async (_, text) => {
    const echo = new Echo(alice);
    const answer = await say(echo.port, [encodeAuth(nonce), proof(text)]);
    expect(answer.trimEnd().split("\n")).toHaveLength(1);
    expect(echo.fingerprints).toEqual([]);
  });

  test.each([
    ["HELLO comes first", '{"type":"HELLO","version":1,"agent":"p2p"}\n'],
    [
      "another version",
      '{"type":"AUTH","version":2,"nonce":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}\n',
    ],
    ["no JSON", "hello\n"],
    ["4 KiB without an end", "x".repeat(5_000)],
    ["a proof at once", proof(`"${"A".repeat(43)}"`)],
  ])("%s: closed without a word", async (_, text) => {
    const echo = new Echo(alice);
    expect(await say(echo.port, [text])).toBe("");
    expect(echo.fingerprints).toEqual([]);
  });

  test("the beginning of TLS and no more, or TLS and silence: closed at the deadline, without a word (A02)", async () => {
    const echo = new Echo(alice);
    const half = await Bun.connect({ hostname: host, port: echo.port, socket: { data() {} } });
    half.write(Buffer.from("1603010200", "hex"));
    const silent = say(echo.port, []);
    await until(() => echo.listener.connectionCount === 2);
    echo.listener.sweep(monotonicMs() + peerConnectionLimits.handshakeTimeoutMs - 1_000);
    expect(echo.listener.connectionCount).toBe(2);
    echo.listener.sweep(monotonicMs() + peerConnectionLimits.handshakeTimeoutMs + 1_000);
    expect(await silent).toBe("");
    await until(() => echo.listener.connectionCount === 0);
    half.terminate();
  });

  test("TLS 1.2 is not spoken (A23)", async () => {
    const echo = new Echo(alice);
    const old = { ...tlsOptions(mallory.identity), minVersion: 0x0303, maxVersion: 0x0303 };
    expect(await say(echo.port, [encodeAuth(nonce)], { tls: old })).toBe("");
    await until(() => echo.listener.connectionCount === 0);
    expect(echo.fingerprints).toEqual([]);
  });

  test("an index that speaks only TLS 1.2 is not ours", async () => {
    const old = { ...tlsOptions(alice.identity), minVersion: 0x0303, maxVersion: 0x0303 };
    const server = Bun.listen({ hostname: host, port: 0, tls: old, socket: { data() {} } });
    cleanups.push(() => server.stop(true));
    expect(await refusal(ask(server.port, as(bob, alice)))).toContain("TLS 1.3 with it failed");
  });
});
