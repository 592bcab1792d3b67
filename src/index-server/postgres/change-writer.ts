/**
 * How a change gets into the tables. It is one statement, so that it happens as a whole or not at all, wherever a
 * connection or the server ends; and it only takes effect on the version of the peer's row that it was made for. So one
 * of which nobody knows whether it happened is simply looked at again, and one that a frozen server wakes up with does
 * nothing.
 */
import { LibraryDigest } from "../../wire/library-digest.ts";
import type { LibraryClaim } from "../../wire/messages.ts";
import { type ErrorCode, ProtocolError } from "../../wire/protocol-error.ts";
import { type CatalogLimits, StoreError } from "../catalog.ts";
import {
  type Change,
  type ChangeEffect,
  type ChangePlan,
  type HeldFile,
  namesOf,
  planChange,
} from "./change-plan.ts";
import * as statements from "./change-statements.ts";
import type { Pool } from "./database.ts";
import { plainArray } from "./keys.ts";
import { hexOf } from "./lookup.ts";
import { type Held, nothingHeld, type OwnPeer } from "./own-peer.ts";

export interface ChangeParts {
  readonly process: string;
  readonly pool: Pool;
  readonly limits: CatalogLimits;
  /** Rows of all peers, wherever they are connected. */
  rowsOfAll(): number;
  /** Whether another process wants to know what comes. */
  hasOthers(): boolean;
  /** Peers that left here are so in the database as well, as far as that could be said. */
  departures(): Promise<unknown>;
  newSlot(): string;
  newVersion(): string;
  /** A change has been made: the peer is to be found with what it has now. */
  changed(peer: OwnPeer, effect: ChangeEffect): void;
  /** What a peer had there it has no more. */
  abandoned(slot: string): void;
  /** The peer has all that it had once. */
  resumed(peer: OwnPeer): void;
}

export interface ChangeToWrite {
  /** Of the request: told when it is refused. */
  readonly id: number;
  readonly change: Change;
  /** Undefined: an UPDATE. */
  readonly newPort: number | undefined;
}

/** A change as a statement, for a peer that holds just that. */
export interface PreparedChange {
  readonly held: Held;
  readonly plan: ChangePlan;
  readonly port: number;
  readonly slot: string;
  readonly version: string;
  readonly statement: statements.Statement;
  /** May be run before. */
  readonly ahead: statements.Statement;
}

/** The row of the peer was not as expected, or nobody knows what happened: so often it is looked at anew. */
const maxAttempts = 3;

export class ChangeWriter {
  constructor(private readonly parts: ChangeParts) {}

  /** `held`: what the peer has when its turn comes. */
  async prepare(peer: OwnPeer, { change, newPort }: ChangeToWrite, held: Held): Promise<PreparedChange> {
    const { process, newSlot, newVersion, hasOthers } = this.parts;
    const plan = planChange(change, held, await this.readNamed(peer, held, change));
    const port = newPort ?? peer.port;
    peer.slot ??= newSlot();
    const { slot } = peer;
    const version = newVersion();
    const isToTell = hasOthers();
    const given = { peer, held, slot, process, port, version, plan, isToTell };
    const { change: statement, ahead } = await statements.change(given);
    return { held, plan, port, slot, version, statement, ahead };
  }

  /** As `prepare`, with time to spare: PostgreSQL writes something else of this peer, and may as well write on. */
  async prepareAhead(peer: OwnPeer, given: ChangeToWrite, held: Held): Promise<PreparedChange> {
    const prepared = await this.prepare(peer, given, held);
    const { plan, ahead } = prepared;
    if (plan.put.length > 0 && this.lackOfRoom(held, plan) === undefined)
      await this.parts.pool.run(ahead.text, ahead.values);
    return prepared;
  }

  /** `ready`: for what the peer may have by now. Rejects with StoreError, or with ProtocolError when it is refused. */
  async write(peer: OwnPeer, given: ChangeToWrite, ready?: PreparedChange): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      if (peer.hasLeft) throw new StoreError("RETRY");
      if (peer.isUncertain) await this.readHeld(peer);
      if (given.newPort === undefined && !peer.isRegistered) throw new ProtocolError("BAD_STATE", given.id);
      const isReady = attempt === 1 && ready !== undefined && ready.held.version === peer.held.version;
      const prepared = isReady ? ready : await this.prepare(peer, given, peer.held);
      const lack = this.lackOfRoom(peer.held, prepared.plan);
      if (lack !== undefined) throw new ProtocolError(lack, given.id);
      if (await this.run(peer, prepared)) {
        peer.held = heldAfter(prepared);
        peer.port = prepared.port;
        if (!peer.hasLeft) this.parts.changed(peer, prepared.plan);
        return;
      }
      if (attempt === maxAttempts) throw new StoreError("RETRY");
      peer.isUncertain = true;
    }
  }

  /** Whether the peer has all that it describes; otherwise it is registered with nothing. */
  async claim(peer: OwnPeer, port: number, library: LibraryClaim): Promise<boolean> {
    if (peer.isUncertain) await this.readHeld(peer);
    const isSame = peer.held.version !== undefined && peer.held.digest.hex === library.digest;
    if (isSame && peer.held.files === library.files && peer.port === port) return true;
    if (library.files > 0 && (await this.adopt(peer, port, library))) return true;
    // Whatever it had under this session goes in the background, as what it had under another.
    if (peer.slot !== undefined && peer.held.files > 0) await this.letGo(peer, peer.slot);
    const held = library.files === 0 && new LibraryDigest().hex === library.digest;
    await this.write(peer, { id: 0, change: { add: new Map(), remove: undefined }, newPort: port });
    return held;
  }

  // --- internal ---

  /** False when the row was not as expected. */
  private async run(peer: OwnPeer, { slot, version, statement }: PreparedChange): Promise<boolean> {
    const { pool } = this.parts;
    peer.isUncertain = true;
    const [row] = await pool.run(statement.text, statement.values);
    if (Number(row?.[0]) === 0) {
      // Perhaps a former run of this very statement, whose answer was lost.
      const [now] = await pool.run(statements.versionOf, [slot, peer.id]);
      if (String(now?.[0]) !== version) return false;
    }
    peer.isUncertain = false;
    return true;
  }

  private lackOfRoom(held: Held, plan: ChangePlan): ErrorCode | undefined {
    const { limits, rowsOfAll } = this.parts;
    const more = plan.files - held.files;
    if (more <= 0) return undefined;
    if (plan.files > limits.filesPerPeer) return "TOO_MANY";
    return rowsOfAll() + more > limits.filesPerIndex ? "STORAGE_FULL" : undefined;
  }

  /** What the peer has under the names of the change. */
  private async readNamed(peer: OwnPeer, held: Held, change: Change): Promise<Map<string, HeldFile>> {
    const named = new Map<string, HeldFile>();
    if (held.files === 0 || peer.slot === undefined) return named;
    const rows = await this.parts.pool.run(statements.heldUnder, [peer.slot, plainArray(namesOf(change))]);
    for (const [nameKey, entry, partial, name, size, md5, root] of rows) {
      named.set(String(nameKey), {
        nameKey: String(nameKey),
        entry: BigInt(String(entry)),
        partial: partial === true,
        name: String(name),
        sizeBytes: Number(size),
        md5: hexOf(md5),
        root: hexOf(root),
      });
    }
    return named;
  }

  private async readHeld(peer: OwnPeer): Promise<void> {
    if (peer.slot === undefined) return;
    const [row] = await this.parts.pool.run(statements.stateOf, [peer.slot, peer.id]);
    peer.isUncertain = false;
    if (row === undefined) {
      // Else it is not made yet.
      if (peer.held.version !== undefined) peer.disown();
      return;
    }
    const [version, files, digest] = row;
    const count = Number(files);
    peer.held = { version: String(version), files: count, digest: LibraryDigest.of(digest as Buffer, count) };
  }

  /** Makes the rows of a peer that left the ones of this session, if there are any with that digest. */
  private async adopt(peer: OwnPeer, port: number, { digest, files }: LibraryClaim): Promise<boolean> {
    const { pool, process, newVersion, hasOthers, departures, abandoned } = this.parts;
    await departures();
    const version = newVersion();
    const bytes = `\\x${digest}`;
    const news = hasOthers() ? true : null;
    const values = [process, peer.id, version, peer.host, port, bytes, files, news, peer.fingerprint ?? ""];
    let [row] = await pool.run(statements.adopt, values);
    // As above: it may have run before.
    row ??= (await pool.run(statements.adopted, [peer.id, version]))[0];
    if (row === undefined) return false;
    const former = peer.slot;
    peer.slot = String(row[0]);
    peer.held = { version, files, digest: LibraryDigest.of(Buffer.from(digest, "hex"), files) };
    peer.port = port;
    peer.isUncertain = false;
    if (former !== undefined && former !== peer.slot) {
      abandoned(former);
      await pool.run(statements.leave, [former, peer.id]);
    }
    if (!peer.hasLeft) this.parts.resumed(peer);
    return true;
  }

  private async letGo(peer: OwnPeer, slot: string): Promise<void> {
    this.parts.abandoned(slot);
    await this.parts.pool.run(statements.leave, [slot, peer.id]);
    peer.slot = undefined;
    peer.held = nothingHeld();
  }
}

/** What the peer holds when it is written. */
export function heldAfter({ version, plan }: PreparedChange): Held {
  return { version, files: plan.files, digest: plan.digest };
}
