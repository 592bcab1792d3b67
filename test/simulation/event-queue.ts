/** What happens when, in virtual time: a binary heap. Events of one moment happen in the order they were added. */

interface Event {
  atMs: number;
  order: number;
  happen: () => void;
}

export class EventQueue {
  private readonly heap: Event[] = [];
  private added = 0;

  get nextMs(): number {
    return this.heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  add(atMs: number, happen: () => void): void {
    if (atMs === Number.POSITIVE_INFINITY) return;
    const { heap } = this;
    let at = heap.push({ atMs, order: this.added++, happen }) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, heap[at]!)) break;
      swap(heap, at, parent);
      at = parent;
    }
  }

  /** Takes the next event out. */
  take(): (() => void) | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return undefined;
    if (heap.length > 0) {
      heap[0] = last;
      this.sink();
    }
    return first.happen;
  }

  private sink(): void {
    const { heap } = this;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < heap.length && isBefore(heap[child]!, heap[least]!)) least = child;
      }
      if (least === at) return;
      swap(heap, at, least);
      at = least;
    }
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

function swap(heap: Event[], one: number, other: number): void {
  const kept = heap[one]!;
  heap[one] = heap[other]!;
  heap[other] = kept;
}
