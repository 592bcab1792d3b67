/**
 * What one downloader's connection gets, in order: decodes its requests, says what to send and which bytes to
 * read next. Knows no socket, file or clock; the upload worker does what `next` says and tells what came of it.
 */
import { Bitfield } from "../content/bitfield.ts";
import { chunkCountOf } from "../content/chunks.ts";
import { decodeHello, decodePeerRequest } from "../wire/decode.ts";
import {
  encodeDataHeader,
  encodeError,
  encodeHashesHeader,
  encodeHave,
  encodeWelcome,
} from "../wire/encode.ts";
import type { Get, HashesRequest, HaveRequest, PeerRequest } from "../wire/messages.ts";
import { ProtocolError } from "../wire/protocol-error.ts";

/** What the session must know of a content to answer for it. */
export interface OfferedContent {
  sizeBytes: number;
  /** 32 bytes a chunk; empty for a content of at most 1 MiB. */
  chunkHashes: Uint8Array;
}

export type UploadStep =
  | { do: "send"; text: string; body?: Uint8Array }
  /** Look whether the content is shared here; `onFound` or `onMissing` answers. */
  | { do: "find"; root: string }
  /**
   * Read this range, make sure that it is what was hashed, send `header` (when there is one) and the bytes.
   * `onSent`, `onGone` or `onForgotten` answers; nothing of it may have been sent in the latter cases.
   */
  | { do: "send-range"; root: string; offset: number; length: number; header: string | undefined }
  | { do: "close" };

/** Requests that wait behind the one being served, before reading stops: enough for any pipeline. */
export const maxWaitingRequests = 64;

type Waiting = { text: string; fatal: boolean } | PeerRequest;

export class UploadSession {
  /** The first one is being served. */
  private readonly waiting: Waiting[] = [];
  private hello = false;
  /** The content of the request being served: not looked for, being looked for, here, not here. */
  private found: "no" | "asked" | OfferedContent | "missing" = "no";
  /** Bytes of the GET being served that have been sent. */
  private sentBytes = 0;
  private sending = false;
  private closing = false;
  /** What comes after a line that is no message is not looked at. */
  private distrusted = false;

  constructor(
    private readonly agent: string,
    /** Of one block: what is read and sent at a time. */
    private readonly blockBytes: number,
  ) {}

  /** HELLO was understood. */
  get greeted(): boolean {
    return this.hello;
  }

  /** Reading should wait until some of what was asked is served. */
  get full(): boolean {
    return this.distrusted || this.waiting.length >= maxWaitingRequests;
  }

  // --- facts ---

  /** Throws nothing: what is wrong with the line is answered in its turn. */
  onLine(line: Uint8Array): void {
    try {
      if (this.hello) {
        this.waiting.push(decodePeerRequest(line));
      } else {
        decodeHello(line);
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

  /** The range of the last `send-range` has been handed to the kernel. */
  onSent(length: number): void {
    this.sending = false;
    this.sentBytes += length;
  }

  /** The bytes are not, or no longer, what was hashed. */
  onGone(): void {
    this.sending = false;
    const request = this.waiting[0];
    if (request === undefined || "text" in request) return;
    // In the middle of a body no ERROR can be said: the short body says it, and the next request hears GONE.
    if (this.sentBytes > 0) this.closing = true;
    else this.answerWith(encodeError(new ProtocolError("GONE", request.id)));
  }

  /** The content was closed in the meantime, which says nothing about its bytes: it must be looked for again. */
  onForgotten(): void {
    this.sending = false;
    this.found = "no";
  }

  // --- question ---

  /** What to do next; undefined: wait for a line, or for the answer to the last step. */
  next(): UploadStep | undefined {
    if (this.closing) return { do: "close" };
    const request = this.waiting[0];
    if (request === undefined || this.sending || this.found === "asked") return undefined;
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
      if (this.sentBytes > 0) this.closing = true;
      else this.answerWith(encodeError(new ProtocolError("NOT_FOUND", request.id)));
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

  private sendHashes(request: HashesRequest, content: OfferedContent): UploadStep {
    this.done();
    const body = content.chunkHashes;
    return { do: "send", text: encodeHashesHeader(request.id, body.length), body };
  }

  private sendHave({ id, root }: HaveRequest, content: OfferedContent): UploadStep {
    this.done();
    const { bytes } = Bitfield.full(chunkCountOf(content.sizeBytes));
    return { do: "send", text: encodeHave({ type: "HAVE", id, root, chunks: bytes }) };
  }

  private sendRange({ id, root, offset, length }: Get, content: OfferedContent): UploadStep | undefined {
    if (offset + length > content.sizeBytes) {
      this.answerWith(encodeError(new ProtocolError("BAD_RANGE", id)));
      return this.next();
    }
    if (this.sentBytes === length) {
      this.done();
      return this.next();
    }
    this.sending = true;
    return {
      do: "send-range",
      root,
      offset: offset + this.sentBytes,
      length: Math.min(this.blockBytes, length - this.sentBytes),
      header: this.sentBytes === 0 ? encodeDataHeader(id, offset, length) : undefined,
    };
  }

  /** The request being served gets this line instead. */
  private answerWith(text: string): void {
    this.waiting[0] = { text, fatal: false };
    this.found = "no";
  }

  private done(): void {
    this.waiting.shift();
    this.found = "no";
    this.sentBytes = 0;
  }
}
