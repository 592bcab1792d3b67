/**
 * What one downloader's connection gets, in order: decodes its requests, says what to send and which bytes to
 * read next. Knows no socket, file or clock; the upload worker does what `next` says and tells what came of it.
 */
import { chunkCountOf, chunkOffset } from "../content/chunks.ts";
import { decodeHello } from "../wire/decode-parts.ts";
import { decodePeerRequest } from "../wire/decode-peer.ts";
import {
  encodeDataHeader,
  encodeError,
  encodeHashesHeader,
  encodeHave,
  encodeWelcome,
} from "../wire/encode.ts";
import { chunkBytes } from "../wire/limits.ts";
import type { Get, HashesRequest, HaveRequest, PeerRequest } from "../wire/peer-messages.ts";
import { type ErrorCode, ProtocolError } from "../wire/protocol-error.ts";
import { type NewsworthyContent, UploadNews } from "./upload-news.ts";

/** What the session must know of a content to answer for it. */
export interface OfferedContent extends NewsworthyContent {
  readonly sizeBytes: number;
  /** 32 bytes a chunk; empty for a content of at most 1 MiB. */
  readonly chunkHashes: Uint8Array;
}

/** Whose turn it is among all connections (`upload-turns.ts`), as one of them sees it. */
export interface OwnTurns {
  /** A GET came. Undefined: it is queued; else it is refused, and better said again after so many milliseconds. */
  ask(get: Get): number | undefined;
  /** The bytes of the first GET in the queue may be sent. */
  readonly mayServe: boolean;
  /** The first GET in the queue is over. */
  done(): void;
}

export type UploadStep =
  | { do: "send"; text: string; body?: Uint8Array }
  /** Look whether the content is shared here; `onFound` or `onMissing` answers. */
  | { do: "find"; root: string }
  /**
   * Of this range, which is in one chunk, send as much as there is room for, and `header` before it (when there is
   * one); nothing that is not what was hashed. `onSent`, `onHeld`, `onGone` or `onForgotten` answers; nothing (more) of
   * it may have been sent but with the first.
   */
  | { do: "send-range"; root: string; offset: number; length: number; header: string | undefined }
  | { do: "close" };

/** Requests that wait behind the one being served, before reading stops: enough for any pipeline. */
export const maxWaitingRequests = 64;

type Waiting = { text: string; fatal: boolean } | PeerRequest;

export class UploadSession {
  /** What the other side is to be told without asking. */
  readonly news = new UploadNews();
  /** The first one is being served. */
  private readonly waiting: Waiting[] = [];
  private hello = false;
  private downloader: string | undefined;
  /** The content of the request being served: not looked for, being looked for, here, not here. */
  private found: "no" | "asked" | OfferedContent | "missing" = "no";
  /** Bytes of the GET being served that have been sent. */
  private sentBytes = 0;
  private headerSent = false;
  private sending = false;
  private closing = false;
  /** What comes after a line that is no message is not looked at. */
  private distrusted = false;

  constructor(
    private readonly agent: string,
    private readonly turns: OwnTurns,
  ) {}

  /** What HELLO said of whose connection it is. */
  get downloadSession(): string | undefined {
    return this.downloader;
  }

  /** HELLO was understood. */
  get greeted(): boolean {
    return this.hello;
  }

  /** Reading should wait until some of what was asked is served. */
  get full(): boolean {
    return this.distrusted || this.waiting.length >= maxWaitingRequests;
  }

  /** Reading should go on: the next ones come many at a time, not one for each that is served. */
  get hasRoom(): boolean {
    return !this.distrusted && this.waiting.length <= maxWaitingRequests / 2;
  }

  // --- facts ---

  /** Throws nothing: what is wrong with the line is answered in its turn. */
  onLine(line: Uint8Array): void {
    try {
      if (this.hello) {
        this.onRequest(decodePeerRequest(line));
      } else {
        this.downloader = decodeHello(line).session;
        this.hello = true;
        this.waiting.push({ text: encodeWelcome(this.agent), fatal: false });
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.onProtocolError(error);
    }
  }

  onProtocolError(error: ProtocolError): void {
    this.distrusted ||= error.fatal;
    this.waiting.push({ text: encodeError(error), fatal: error.fatal });
  }

  onFound(content: OfferedContent): void {
    this.found = content;
  }

  onMissing(): void {
    this.found = "missing";
  }

  /** The header of the last `send-range` has been sent, and so many of its bytes (also none). */
  onSent(length: number): void {
    this.sending = false;
    this.headerSent = true;
    this.sentBytes += length;
  }

  /** Nothing of the last `send-range` may be sent now: a limit of ours. */
  onHeld(): void {
    this.sending = false;
  }

  /** The bytes are not, or no longer, what was hashed. */
  onGone(): void {
    this.sending = false;
    // In the middle of a body no ERROR can be said: the short body says it, and the next request hears GONE.
    if (this.headerSent) this.closing = true;
    else this.refuse("GONE");
  }

  /** The content was closed in the meantime, which says nothing about its bytes: it must be looked for again. */
  onForgotten(): void {
    this.sending = false;
    this.found = "no";
  }

  // --- question ---

  /** What to do next; undefined: wait for a line, for the turn, for news, or for the answer to the last step. */
  next(): UploadStep | undefined {
    if (this.closing) return { do: "close" };
    if (this.sending) return undefined;
    // Lines must not come into the middle of a body.
    const news = this.headerSent ? undefined : this.news.next();
    if (news !== undefined) return { do: "send", text: news };
    const request = this.waiting[0];
    if (request === undefined || this.found === "asked") return undefined;
    if ("text" in request) {
      this.done();
      this.closing = request.fatal;
      return { do: "send", text: request.text };
    }
    if (this.found === "no") {
      this.found = "asked";
      return { do: "find", root: request.root };
    }
    if (this.found === "missing") {
      // Forgotten in the middle of a body, and not found again.
      if (this.headerSent) this.closing = true;
      else this.refuse("NOT_FOUND");
      return this.next();
    }
    switch (request.type) {
      case "HASHES":
        return this.sendHashes(request, this.found);
      case "HAVE":
        return this.sendHave(request, this.found);
      case "GET":
        return this.sendRange(request, this.found);
    }
  }

  // --- internal ---

  private onRequest(request: PeerRequest): void {
    const retryMs = request.type === "GET" ? this.turns.ask(request) : undefined;
    if (retryMs === undefined) {
      this.waiting.push(request);
      return;
    }
    const refusal = new ProtocolError("BUSY", request.id, undefined, retryMs);
    this.waiting.push({ text: encodeError(refusal), fatal: false });
  }

  private sendHashes(request: HashesRequest, content: OfferedContent): UploadStep {
    this.done();
    const body = content.chunkHashes;
    return { do: "send", text: encodeHashesHeader(request.id, body.length), body };
  }

  private sendHave({ id, root, sent }: HaveRequest, content: OfferedContent): UploadStep {
    this.done();
    const answer = this.news.begin(content, sent === true);
    return { do: "send", text: encodeHave({ type: "HAVE", id, root, ...answer }) };
  }

  private sendRange({ id, root, offset, length }: Get, content: OfferedContent): UploadStep | undefined {
    if (offset + length > content.sizeBytes) {
      this.refuse("BAD_RANGE");
      return this.next();
    }
    // Nothing is wrong with us as a source: we may have it soon, and others now.
    if (!isReady(content, offset, length)) {
      this.refuse("RETRY");
      return this.next();
    }
    if (this.sentBytes === length) {
      this.done();
      return this.next();
    }
    if (!this.turns.mayServe) return undefined;
    this.sending = true;
    const from = offset + this.sentBytes;
    const nextChunk = chunkOffset(Math.floor(from / chunkBytes) + 1);
    return {
      do: "send-range",
      root,
      offset: from,
      length: Math.min(nextChunk, offset + length) - from,
      header: this.headerSent ? undefined : encodeDataHeader(id, offset, length),
    };
  }

  /** The request being served gets an ERROR instead. */
  private refuse(code: ErrorCode): void {
    const request = this.waiting[0];
    if (request === undefined || "text" in request) return;
    if (request.type === "GET") this.turns.done();
    this.waiting[0] = { text: encodeError(new ProtocolError(code, request.id)), fatal: false };
    this.found = "no";
  }

  private done(): void {
    const request = this.waiting.shift();
    if (request !== undefined && "type" in request && request.type === "GET") this.turns.done();
    this.found = "no";
    this.sentBytes = 0;
    this.headerSent = false;
  }
}

function isReady({ verified }: OfferedContent, offset: number, length: number): boolean {
  if (verified === undefined) return true;
  const end = chunkCountOf(offset + length);
  for (let chunk = Math.floor(offset / chunkBytes); chunk < end; chunk++) {
    if ((verified[chunk >> 3]! & (0x80 >> (chunk & 7))) === 0) return false;
  }
  return true;
}
