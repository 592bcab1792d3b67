/**
 * What one connection has registered: it joins the catalog with its first REGISTER and leaves it with the connection.
 * In a private network it is looked for before each REGISTER where others will be sent (reach.ts).
 */
import type { Connection } from "../net/connection.ts";
import { encodeOk } from "../wire/encode.ts";
import { ProtocolError } from "../wire/protocol-error.ts";
import { registerHead } from "../wire/register-head.ts";
import type { CatalogPeer } from "./catalog.ts";
import type { IndexParts } from "./index-parts.ts";
import type { Reach } from "./reach.ts";
import type { Change } from "./session.ts";

export class Registration {
  private joined: CatalogPeer | undefined;
  private hasEnded = false;
  /** The connection forgets it when it ends. */
  private readonly seenAt: string;

  constructor(
    private readonly connection: Pick<Connection, "remoteHost" | "fingerprint">,
    private readonly parts: Pick<IndexParts, "catalog" | "peersPerAddress" | "reach">,
  ) {
    this.seenAt = connection.remoteHost;
  }

  get peer(): CatalogPeer | undefined {
    return this.joined;
  }

  /** Returns the answer. Rejects with ProtocolError or StoreError. */
  async apply({ type, line }: Change): Promise<string> {
    const { catalog, reach } = this.parts;
    if (type === "UPDATE" && this.joined === undefined) throw new ProtocolError("BAD_STATE");
    const host = reach && type === "REGISTER" ? await this.reachedAt(line, reach) : undefined;
    const peer = this.joined ?? this.join(host ?? this.seenAt);
    if (host !== undefined && host !== peer.host)
      throw new ProtocolError("BAD_STATE", null, "this connection has registered with another address");
    const { id, held } = await catalog.apply(peer, type, line);
    return encodeOk(id, held, host);
  }

  /** The connection has ended. */
  end(): void {
    this.hasEnded = true;
    if (this.joined === undefined) return;
    this.parts.catalog.leave(this.joined);
    this.parts.peersPerAddress.leave(this.seenAt);
  }

  private join(host: string): CatalogPeer {
    const { catalog, peersPerAddress } = this.parts;
    if (this.hasEnded) throw new ProtocolError("BAD_STATE");
    if (!peersPerAddress.hasRoom(this.seenAt))
      throw new ProtocolError("RETRY", null, "this address has as many peers as it may have");
    this.joined = catalog.join(host, this.connection.fingerprint);
    peersPerAddress.enter(this.seenAt);
    return this.joined;
  }

  /** Where others will be sent, after it has been found there. */
  private async reachedAt(line: Uint8Array, reach: Reach): Promise<string> {
    const { fingerprint } = this.connection;
    if (fingerprint === undefined)
      throw new ProtocolError("UNREACHABLE", null, "a peer without a certificate cannot be told from others");
    const { port, host: claimed } = registerHead(line);
    const host = reach.placeOf(this.seenAt, claimed);
    await reach.check({ host, port, fingerprint });
    return host;
  }
}
