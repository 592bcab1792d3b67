/** Tells of a stored network when it is written anew: so that a token that was changed is taken by what runs. */
import type { NetworkStore } from "./network-store.ts";
import type { NetworkName, StoredNetwork } from "./stored-network.ts";

export interface NetworkWatchListener {
  changed(network: StoredNetwork): void;
  /** It is not there any more, or cannot be read; told once until it is written again. */
  failed(error: Error): void;
}

/** How often it is looked: a new token is taken within a second. */
const lookMs = 500;

export class NetworkWatch {
  private readonly timer: Timer;

  /** `stamp`: of what is known of it already; undefined: it is read once at first. */
  constructor(
    private readonly store: NetworkStore,
    private readonly name: NetworkName,
    private readonly listener: NetworkWatchListener,
    private stamp?: string,
  ) {
    this.timer = setInterval(() => this.look(), lookMs);
  }

  /** Idempotent. */
  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    const { store, name, listener } = this;
    const stamp = store.stampOf(name);
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    let network: StoredNetwork | undefined;
    try {
      network = store.read(name);
      if (network === undefined) throw new Error(`network ${name} was forgotten here (\`p2p leave\`)`);
    } catch (error) {
      listener.failed(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    listener.changed(network);
  }
}
