/**
 * Where the peer of each slot listens, in memory that threads share: written before the first of its rows can be seen,
 * so that whoever sees one knows the whole address.
 */

/** So many slots there are: ten times as many as an index takes connections, and more. */
export const maxSlots = 1 << 20;

export class PeerPorts {
  private readonly ports: Uint16Array;

  constructor(readonly shared: SharedArrayBuffer = new SharedArrayBuffer(2 * maxSlots)) {
    this.ports = new Uint16Array(shared);
  }

  /** 0: it has not said. */
  at(slot: number): number {
    return Atomics.load(this.ports, slot);
  }

  set(slot: number, port: number): void {
    Atomics.store(this.ports, slot, port);
  }
}
