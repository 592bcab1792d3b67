/**
 * REGISTER and UPDATE. A change is one statement, so that it happens as a whole or not at all, wherever a connection or
 * the server ends; and it only takes effect on the version of the peer's row that it was made for. So one of which
 * nobody knows whether it happened is simply looked at again, and one that a frozen server wakes up with does nothing.
 */
import { decodeIndexRequest } from "../../wire/decode-index-request.ts";
import { LibraryDigest } from "../../wire/library-digest.ts";
import type { FileEntry, LibraryClaim, Register, Update } from "../../wire/messages.ts";
import { ProtocolError } from "../../wire/protocol-error.ts";
import { type Applied, type CatalogLimits, type ChangeType, StoreError } from "../catalog.ts";
import {
  type Change,
  type ChangeEffect,
  type ChangePlan,
  changeOf,
  type HeldFile,
  planChange,
} from "./change-plan.ts";
import * as statements from "./change-statements.ts";
import type { Pool } from "./database.ts";
import { keyed, keyOf, plainArray } from "./keys.ts";
import { hexOf } from "./lookup.ts";
import { nothingHeld, type OwnPeer } from "./own-peer.ts";
import { Turns } from "./turns.ts";

export interface ChangesParts {
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

/** Of different peers at once: PostgreSQL works on as many. */
const changesAtOnce = 3;
/** The row of the peer was not as expected, or nobody knows what happened: so often it is looked at anew. */
const maxAttempts = 3;

export class Changes {
  private readonly turns = new Turns(changesAtOnce);
  /** Not applied yet. */
  waiting = 0;

  constructor(private readonly parts: ChangesParts) {}

  apply(peer: OwnPeer, type: ChangeType, line: Uint8Array): Promise<Applied> {
    this.waiting++;
    const applied = peer.last
      .then(() => this.turns.run(() => this.applyNow(peer, type, line)))
      .finally(() => this.waiting--);
    peer.last = applied.catch(() => {});
    return applied;
  }

  get isBusy(): boolean {
    return this.waiting > 0;
  }

  // --- internal ---

  private async applyNow(peer: OwnPeer, type: ChangeType, line: Uint8Array): Promise<Applied> {
    const request = decodeIndexRequest(line);
    const { id } = request;
    if (request.type !== type) throw new ProtocolError("BAD_MESSAGE", id);
    if (request.type === "REGISTER" && request.library !== undefined) {
      return { id, held: await this.claim(peer, request.port, request.library) };
    }
    await this.change(peer, request);
    return { id, held: undefined };
  }

  private async change(peer: OwnPeer, request: Register | Update): Promise<void> {
    const isRegister = request.type === "REGISTER";
    const [add, remove] = isRegister ? [request.files, undefined] : [request.add, request.remove];
    const change = changeOf(add, remove, keyed, keyOf);
    const port = isRegister ? request.port : peer.port;
    for (let attempt = 1; ; attempt++) {
      if (peer.hasLeft) throw new StoreError("RETRY");
      if (peer.isUncertain) await this.readHeld(peer);
      if (!isRegister && !peer.isRegistered) throw new ProtocolError("BAD_STATE", request.id);
      const plan = planChange(change, peer.held, await this.readNamed(peer, change));
      this.checkRoom(peer, plan, request.id);
      const version = await this.write(peer, port, plan);
      if (version !== undefined) {
        peer.held = { version, files: plan.files, digest: plan.digest };
        peer.port = port;
        if (!peer.hasLeft) this.parts.changed(peer, plan);
        return;
      }
      if (attempt === maxAttempts) throw new StoreError("RETRY");
      peer.isUncertain = true;
    }
  }

  /** The new version; undefined when the row was not as expected. */
  private async write(peer: OwnPeer, port: number, plan: ChangePlan): Promise<string | undefined> {
    const { pool, process, newVersion, newSlot, hasOthers } = this.parts;
    peer.slot ??= newSlot();
    const version = newVersion();
    peer.isUncertain = true;
    const news = hasOthers() ? newsOf(plan.news) : null;
    const { text, values } = statements.change({ peer, slot: peer.slot, process, port, version, plan }, news);
    const [row] = await pool.run(text, values);
    if (Number(row?.[0]) === 0) {
      // Perhaps a former run of this very statement, whose answer was lost.
      const [now] = await pool.run(statements.versionOf, [peer.slot, peer.id]);
      if (String(now?.[0]) !== version) return undefined;
    }
    peer.isUncertain = false;
    return version;
  }

  private checkRoom(peer: OwnPeer, plan: ChangePlan, id: number): void {
    const { limits, rowsOfAll } = this.parts;
    const more = plan.files - peer.held.files;
    if (more <= 0) return;
    if (plan.files > limits.filesPerPeer) throw new ProtocolError("TOO_MANY", id);
    if (rowsOfAll() + more > limits.filesPerIndex) throw new ProtocolError("STORAGE_FULL", id);
  }

  /** What the peer has under the names of the change. */
  private async readNamed(peer: OwnPeer, { add, remove }: Change): Promise<Map<string, HeldFile>> {
    const named = new Map<string, HeldFile>();
    if (peer.held.files === 0 || peer.slot === undefined) return named;
    const keys = [...add.map(({ nameKey }) => nameKey), ...(remove ?? [])];
    const rows = await this.parts.pool.run(statements.heldUnder, [peer.slot, plainArray(keys)]);
    for (const [nameKey, entry, partial, name, size, md5, root] of rows) {
      named.set(String(nameKey), {
        nameKey: String(nameKey),
        entry: String(entry),
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

  // --- a library by its digest ---

  private async claim(peer: OwnPeer, port: number, library: LibraryClaim): Promise<boolean> {
    if (peer.isUncertain) await this.readHeld(peer);
    const isSame = peer.held.version !== undefined && peer.held.digest.hex === library.digest;
    if (isSame && peer.held.files === library.files && peer.port === port) return true;
    if (library.files > 0 && (await this.adopt(peer, port, library))) return true;
    // Whatever it had under this session goes in the background, as what it had under another.
    if (peer.slot !== undefined && peer.held.files > 0) await this.letGo(peer, peer.slot);
    const held = library.files === 0 && new LibraryDigest().hex === library.digest;
    await this.change(peer, { type: "REGISTER", id: 0, port, files: [] });
    return held;
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

/** As `news` has it. */
function newsOf(files: readonly FileEntry[]): string | null {
  if (files.length === 0) return null;
  return JSON.stringify(
    files.map(({ name, sizeBytes, md5, root, partial }) => [name, sizeBytes, md5, root, partial ? 1 : 0]),
  );
}
