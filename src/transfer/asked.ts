/** What one connection to a source was asked and has not answered yet, and the lines that ask. Knows no socket. */
import { hashBytes } from "../content/merkle.ts";
import { printable } from "../printable.ts";
import { encodePeerRequest } from "../wire/encode.ts";
import type { ErrorMessage } from "../wire/messages.ts";
import type { ChunkHome } from "./chunk-home.ts";

export type Asked =
  /** Whole chunks of `home`, from `chunk` on. */
  | { kind: "get"; home: ChunkHome; request: number; chunk: number; offset: number; length: number }
  | { kind: "hashes"; root: string; length: number }
  | { kind: "have" };

type Of<Kind extends Asked["kind"]> = Extract<Asked, { kind: Kind }>;

export class AskedRequests {
  private lastId = 0;
  private readonly open = new Map<number, Asked>();

  get isEmpty(): boolean {
    return this.open.size === 0;
  }

  get(root: string, asked: Omit<Of<"get">, "kind">): string {
    const { offset, length } = asked;
    return encodePeerRequest({ type: "GET", id: this.add({ kind: "get", ...asked }), root, offset, length });
  }

  hashes(root: string, chunkCount: number): string {
    const id = this.add({ kind: "hashes", root, length: chunkCount * hashBytes });
    return encodePeerRequest({ type: "HASHES", id, root });
  }

  have(root: string): string {
    return encodePeerRequest({ type: "HAVE", id: this.add({ kind: "have" }), root, sent: true });
  }

  /** What was asked, if it was this; it is answered now. */
  answered<Kind extends Asked["kind"]>(id: number, kind: Kind): Of<Kind> | undefined {
    const asked = this.open.get(id);
    if (!isOf(asked, kind)) return undefined;
    this.open.delete(id);
    return asked;
  }

  /** What was asked and is refused now. */
  refused(id: number): Asked | undefined {
    const asked = this.open.get(id);
    this.open.delete(id);
    return asked;
  }

  private add(asked: Asked): number {
    this.open.set(++this.lastId, asked);
    return this.lastId;
  }
}

function isOf<Kind extends Asked["kind"]>(asked: Asked | undefined, kind: Kind): asked is Of<Kind> {
  return asked?.kind === kind;
}

/** What follows for a source from an ERROR. */
export type Refusal =
  /** It has not the file that was asked for. */
  | { kind: "lacks"; request: number }
  | { kind: "busy"; request: number; retryMs: number }
  | { kind: "gone" }
  | { kind: "another-machine"; reason: string }
  | { kind: "closed"; reason: string };

/** What is said of a file that is not there, or of another size than the index says. */
const lacking: ReadonlySet<string> = new Set(["GONE", "NOT_FOUND", "BAD_RANGE"]);
/** When a source does not say. */
const retryUsuallyMs = 250;

/** `content`: the one that the download consists of; undefined where it consists of files. */
export function refusalOf(
  asked: Asked | undefined,
  { code, retryMs }: ErrorMessage,
  content: ChunkHome | undefined,
): Refusal {
  if (asked?.kind === "get" && asked.home !== content && lacking.has(code))
    return { kind: "lacks", request: asked.request };
  if (asked !== undefined && (code === "GONE" || code === "NOT_FOUND")) return { kind: "gone" };
  if (code === "DENIED") return { kind: "another-machine", reason: "it does not let this machine in" };
  // RETRY: not there as yet; its own download is not so far.
  if (asked?.kind === "get" && (code === "RETRY" || (code === "BUSY" && retryMs !== undefined)))
    return { kind: "busy", request: asked.request, retryMs: retryMs ?? retryUsuallyMs };
  return { kind: "closed", reason: `it said ${printable(code, 40)}` };
}
