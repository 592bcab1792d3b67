/**
 * What one connection has registered: it joins the catalog with its first REGISTER and leaves it with the connection.
 * In a private network it is looked for before each REGISTER where others will be sent (reach.ts), and now and then
 * asked for something that it has announced (audit.ts).
 */
import { monotonicMs } from "../clock.ts";
import type { Connection } from "../net/connection.ts";
import { encodeOk } from "../wire/encode.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { registerHead } from "../wire/register-head.ts";
import type { CatalogPeer } from "./catalog.ts";
import type { IndexParts } from "./index-parts.ts";
import type { Place } from "./reach.ts";
import type { Change } from "./session.ts";

/** Shorter than our own clients wait before they try again. */
const refusedMs = 4_000;

export class Registration {
  private joined: CatalogPeer | undefined;
  private hasEnded = false;
  /** In a private network: where it was found. */
  private place: Place | undefined;
  private unwatchAudit: (() => void) | undefined;
  private refusal: { error: ProtocolError; untilMs: number } | undefined;
  /** The connection forgets it when it ends. */
  private readonly seenAt: string;

  constructor(
    private readonly connection: Pick<Connection, "remoteHost" | "fingerprint" | "refuse">,
    private readonly parts: Pick<IndexParts, "catalog" | "peersPerAddress" | "checks">,
  ) {
    this.seenAt = connection.remoteHost;
  }

  get peer(): CatalogPeer | undefined {
    return this.joined;
  }

  /** Returns the answer. Rejects with ProtocolError or StoreError. */
  async apply({ type, line }: Change): Promise<string> {
    const { catalog, checks } = this.parts;
    if (type === "UPDATE" && this.joined === undefined) throw new ProtocolError("BAD_STATE");
    if (this.joined === undefined) this.checkRoom();
    if (checks !== undefined && type === "REGISTER") this.place = await this.foundAt(line, checks);
    const host = this.place?.host;
    if (this.hasEnded) throw new ProtocolError("BAD_STATE");
    const peer = this.joined ?? this.join(host ?? this.seenAt);
    if (host !== undefined && host !== peer.host)
      throw new ProtocolError("BAD_STATE", null, "this connection has registered with another address");
    // Now: when it is applied, its line is the catalog's.
    const look = checks && this.audited(line, checks.audit);
    try {
      const { id, held } = await catalog.apply(peer, type, line);
      look?.begin();
      return encodeOk(id, held, type === "REGISTER" ? host : undefined);
    } catch (error) {
      look?.giveUp();
      throw error;
    }
  }

  /** What is to be looked into of it once it is registered; undefined: nothing. */
  private audited(
    line: Uint8Array,
    audit: NonNullable<IndexParts["checks"]>["audit"],
  ): { begin(): void; giveUp(): void } | undefined {
    const { place } = this;
    const entry = place && audit.pick(place.fingerprint, line);
    if (place === undefined || entry === undefined) return undefined;
    return {
      begin: () => void audit.look(place, entry),
      giveUp: () => audit.giveUp(place.fingerprint),
    };
  }

  /** Nobody is sent there any more, whatever the connection still says. Idempotent. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.unwatchAudit?.();
    if (this.joined === undefined) return;
    this.parts.catalog.leave(this.joined);
    this.parts.peersPerAddress.leave(this.seenAt);
  }

  /** It announces what it has not: it is in no answer any more, and told why. */
  private onUnbacked(): void {
    this.connection.refuse(new ProtocolError("NOT_BACKED"));
  }

  private checkRoom(): void {
    if (!this.parts.peersPerAddress.hasRoom(this.seenAt))
      throw new ProtocolError("RETRY", null, "this address has as many peers as it may have");
  }

  private join(host: string): CatalogPeer {
    const { catalog, peersPerAddress, checks } = this.parts;
    // Others may have come while it was looked for.
    this.checkRoom();
    const { fingerprint } = this.connection;
    this.joined = catalog.join(host, fingerprint);
    if (fingerprint !== undefined)
      this.unwatchAudit = checks?.audit.watch(fingerprint, () => this.onUnbacked());
    peersPerAddress.enter(this.seenAt);
    return this.joined;
  }

  /** As `placeOf`; who was refused is for a while without another look at what it says. */
  private async foundAt(line: Uint8Array, checks: NonNullable<IndexParts["checks"]>): Promise<Place> {
    if (this.refusal !== undefined && monotonicMs() < this.refusal.untilMs) throw this.refusal.error;
    try {
      return await this.placeOf(line, checks);
    } catch (error) {
      if (error instanceof ProtocolError) this.refusal = { error, untilMs: monotonicMs() + refusedMs };
      throw error;
    }
  }

  /** Where others will be sent, after it has been found there. */
  private async placeOf(
    line: Uint8Array,
    { reach, audit }: NonNullable<IndexParts["checks"]>,
  ): Promise<Place> {
    const { fingerprint } = this.connection;
    if (fingerprint === undefined)
      throw new ProtocolError("UNREACHABLE", null, "a peer without a certificate cannot be told from others");
    const { port, host: claimed } = registerHead(line);
    const place = { host: reach.placeOf(this.seenAt, claimed), port, fingerprint };
    await reach.check(place);
    // Now: another connection of the same machine may have shown it meanwhile.
    if (audit.isOut(fingerprint)) throw new ProtocolError("NOT_BACKED");
    return place;
  }
}
