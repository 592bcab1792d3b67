/** Whether others can come to this machine, and whether it comes to a peer. */
import { type Address, formatAddress } from "../address.ts";
import { monotonicMs } from "../clock.ts";
import { IndexError, reasonOf, systemCode } from "../errors.ts";
import { connect } from "../net/connect.ts";
import type { Connection } from "../net/connection.ts";
import { peerConnectionLimits } from "../net/connection-limits.ts";
import type { IndexClient } from "../net/index-client.ts";
import { Listener } from "../net/listener.ts";
import { printable } from "../printable.ts";
import { shortFingerprint } from "../trust/fingerprint.ts";
import type { Membership } from "../trust/membership.ts";
import { agent } from "../version.ts";
import { decodePeerAnswer } from "../wire/decode-peer.ts";
import { encodeHello } from "../wire/encode.ts";
import { connectTimeoutMs } from "../wire/limits.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import type { Finding } from "./finding.ts";

/**
 * Has the index connect back to where a peer on this machine would listen: for that moment it is a peer without files.
 * When something of ours listens there already, that is what is found.
 */
export async function checkReach(
  client: IndexClient,
  at: { host: string; port: number; advertise: Address | undefined },
  membership: Membership | undefined,
): Promise<Finding> {
  const check = "reachable";
  if (membership === undefined) {
    const detail = "nobody checks that in an open network: others are sent to the address the index sees";
    return { check, status: "skipped", detail };
  }
  const port = at.advertise?.port || at.port;
  let listener: Listener | undefined;
  try {
    listener = listen(at, membership);
    await client.register(port, [], at.advertise?.host);
    const host = client.foundAt ?? "";
    return {
      check,
      status: "ok",
      detail: `the index has found this machine at ${formatAddress({ host, port })}`,
    };
  } catch (error) {
    if (!(error instanceof IndexError)) throw error;
    const mend =
      listener === undefined
        ? `another program has port ${at.port}: stop it, or choose another with --port, here and for p2p peer`
        : `let others connect to TCP port ${at.port}, for example: sudo ufw allow ${at.port}/tcp`;
    return { check, status: "fail", detail: error.message, mend };
  } finally {
    listener?.stop();
  }
}

/** Undefined when the port is taken. */
function listen(at: { host: string; port: number }, membership: Membership): Listener | undefined {
  try {
    return new Listener({
      ...at,
      limits: peerConnectionLimits,
      secure: { identity: membership.identity, purpose: "peer", membership: () => membership },
      accept: () => ({ greeted: true, onLine: () => 0, onClose: () => {} }),
    });
  } catch (error) {
    if (systemCode(error) === "EADDRINUSE") return undefined;
    throw error;
  }
}

/** Connects to a peer as a download would, and says HELLO. */
export async function checkPeer(address: Address, membership: Membership | undefined): Promise<Finding> {
  const check = "peer";
  const label = formatAddress(address);
  let connection: Connection | undefined;
  const welcomed = Promise.withResolvers<string>();
  const user = {
    onLine: (line: Uint8Array) => {
      const answer = decodePeerAnswer(line);
      if (answer.type !== "WELCOME") throw new ProtocolError("BAD_STATE");
      welcomed.resolve(answer.agent);
      return 0;
    },
    onProtocolError: () => welcomed.reject(new Error("it does not speak our protocol")),
    onClose: (error: Error | undefined) => welcomed.reject(error ?? new Error("it closed the connection")),
  };
  welcomed.promise.catch(() => {});
  const late = () => welcomed.reject(new Error("it accepted and says nothing"));
  const timer = setTimeout(late, 2 * connectTimeoutMs);
  try {
    const startMs = monotonicMs();
    const secure = membership && { membership, purpose: "peer" as const, expected: undefined };
    connection = await connect(address, user, { secure });
    connection.send(encodeHello(agent));
    const theirs = await welcomed.promise;
    const { fingerprint } = connection;
    const who = fingerprint === undefined ? "" : `, fingerprint ${shortFingerprint(fingerprint)}`;
    const ms = (monotonicMs() - startMs).toFixed(1);
    return { check, status: "ok", detail: `${label} answers after ${ms} ms: ${printable(theirs, 40)}${who}` };
  } catch (error) {
    const detail = `${label} cannot be fetched from: ${printable(reasonOf(error))}`;
    const mend = `on that machine: p2p doctor; between the two: let TCP port ${address.port} through`;
    return { check, status: "fail", detail, mend };
  } finally {
    clearTimeout(timer);
    connection?.destroy();
  }
}
