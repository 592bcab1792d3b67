/**
 * The private network whose index runs here: its token and who this machine is, where both come from, and what happens
 * when the token is changed meanwhile.
 */
import { loopbackHost } from "../config.ts";
import { UsageError } from "../errors.ts";
import { isLoopback } from "../loopback.ts";
import type { SecureListening } from "../net/listener.ts";
import type { Log } from "../output/log.ts";
import type { Identity } from "../trust/identity.ts";
import { maxLinkAddresses } from "../trust/join-link.ts";
import { Membership } from "../trust/membership.ts";
import { NetworkStore } from "../trust/network-store.ts";
import { NetworkWatch } from "../trust/network-watch.ts";
import {
  defaultNetworkName,
  merged,
  type NetworkName,
  networkOfLink,
  type StoredNetwork,
} from "../trust/stored-network.ts";
import { newToken } from "../trust/token.ts";
import type { CommandContext } from "./context.ts";
import { showLinks } from "./link-output.ts";
import { type BelongingOptions, membershipOf, tokenOf } from "./network.ts";
import { reachableHosts } from "./own-addresses.ts";

export interface IndexNetworkOptions extends BelongingOptions {
  readonly host: string;
  readonly open: boolean;
  /** What a link says in place of the addresses of this machine. */
  readonly linkHosts: readonly string[] | undefined;
  /** Several indexes are one over a database of that kind, so one of them may join another. */
  readonly isShared: boolean;
  readonly stateFolder: string;
}

export class IndexNetwork {
  private watch: NetworkWatch | undefined;
  private stamp: string | undefined;

  private constructor(
    private membership: Membership,
    private readonly identity: Identity,
    private readonly options: IndexNetworkOptions,
    /** Undefined: the token was given to the process, which keeps nothing of it. */
    readonly name: NetworkName | undefined,
    private known: StoredNetwork,
    private readonly store: NetworkStore,
  ) {}

  /**
   * Undefined when the index is for everybody: on this machine alone unless a network is named, elsewhere if it is said.
   * The token is made here on first use; it is kept by `keep`.
   */
  static async of(
    options: IndexNetworkOptions,
    context: Pick<CommandContext, "givenToken" | "signal">,
  ): Promise<IndexNetwork | undefined> {
    const { network, stateFolder } = options;
    const token = await tokenOf(options, context);
    checkLinkHosts(options, token === undefined && !isForAll(options));
    const store = new NetworkStore(stateFolder);
    if (token !== undefined) {
      const membership = await membershipOf(token);
      const known = { token, indexes: [] };
      return new IndexNetwork(membership, membership.identity, options, undefined, known, store);
    }
    if (isForAll(options)) return undefined;
    const name = network ?? defaultNetworkName;
    const known = store.read(name) ?? { token: newToken(), indexes: [] };
    const membership = await membershipOf(known.token);
    const isOwn = known.indexes.some(({ fingerprint }) => fingerprint === membership.identity.fingerprint);
    if (known.indexes.length > 0 && !isOwn && !options.isShared)
      throw new UsageError(
        `network ${name} was joined here, and its index is elsewhere: --network NAME makes one of its own, ` +
          "`p2p leave` forgets what was joined",
      );
    return new IndexNetwork(membership, membership.identity, options, name, known, store);
  }

  get secure(): SecureListening {
    return { membership: () => this.membership, identity: this.identity, purpose: "index" };
  }

  /** Now that it is known where the index listens: so that all who use this state folder find it. */
  keep(port: number, log: Pick<Log, "warn">): void {
    if (this.name === undefined) return;
    const { linkHosts, host } = this.options;
    const reachable = linkHosts ?? reachableHosts(host);
    if (reachable.length === 0)
      log.warn(
        "this machine has no address that others could reach: say with --link-host which one it will have",
      );
    const hosts = reachable.length === 0 ? [loopbackHost] : reachable;
    const addresses = hosts.map((each) => ({ host: each, port }));
    const { token: read } = this.known;
    // The token may have been changed since it was read: what is kept is the one that is there, and `follow` takes it.
    this.store.change(this.name, (there = this.known) => {
      const { fingerprint } = this.identity;
      this.known = merged(there, networkOfLink({ addresses, token: there.token, fingerprint }));
      return this.known;
    });
    if (this.known.token.equals(read)) this.stamp = this.store.stampOf(this.name);
    else this.known = { ...this.known, token: read };
  }

  /** For the event that says where the index listens. */
  shown(): { network?: string; fingerprint: string } {
    return { ...(this.name && { network: this.name }), fingerprint: this.identity.fingerprint };
  }

  /**
   * The link, to a person at a terminal and to nobody else: the output of a service is kept in a journal that others
   * read, and that of `--json` wherever its reader likes. `p2p token show` says it to who asks.
   */
  tellLink({ output, log }: Pick<CommandContext, "output" | "log">): void {
    const { name } = this;
    if (name === undefined) return;
    const hasReader = process.stdout.isTTY && !output.json;
    const shows = name === defaultNetworkName ? "p2p token show" : `p2p token show --network ${name}`;
    log.info(
      hasReader
        ? "to take part, run `p2p join` on another machine and paste this line; who has it is let in:"
        : `the network is private: \`${shows}\` prints the link to join it with`,
    );
    if (hasReader) showLinks(name, this.ownPart(name), output);
  }

  /** Takes a new token as soon as it is in the store; `onChanged` cuts off those who came with the old one. */
  follow(onChanged: () => void, log: Pick<Log, "info" | "warn">): void {
    const { name } = this;
    if (name === undefined) return;
    const changed = (network: StoredNetwork) => {
      const isChanged = !network.token.equals(this.known.token);
      this.known = network;
      if (!isChanged) return;
      this.membership = new Membership(this.identity, network.token);
      log.info(`the token of network ${name} was changed: who has the old one is not let in any more`);
      onChanged();
    };
    const failed = ({ message }: Error) => log.warn(`the index goes on with the token it has: ${message}`);
    this.watch = new NetworkWatch(this.store, name, { changed, failed }, this.stamp);
  }

  stop(): void {
    this.watch?.stop();
  }

  private ownPart(name: NetworkName): StoredNetwork {
    const { fingerprint } = this.identity;
    const known = this.store.read(name) ?? this.known;
    return { ...known, indexes: known.indexes.filter((index) => index.fingerprint === fingerprint) };
  }
}

function isForAll({ host, open, network }: IndexNetworkOptions): boolean {
  return open || (network === undefined && isLoopback(host));
}

function checkLinkHosts({ linkHosts = [] }: IndexNetworkOptions, hasLink: boolean): void {
  if (linkHosts.length > 0 && !hasLink)
    throw new UsageError(
      "--link-host is about the link of a private network, which this index does not make",
    );
  if (linkHosts.length > maxLinkAddresses || linkHosts.some((host) => host.includes("%")))
    throw new UsageError(`--link-host takes at most ${maxLinkAddresses} addresses, none of them with a zone`);
}
