/** Bytes of a connection to lines and bodies: however they are cut, and whenever reading pauses, the same comes out. */
import { decodePeerAnswer } from "../../../src/wire/decode-peer.ts";
import { FrameReader } from "../../../src/wire/framing.ts";
import { ProtocolError } from "../../../src/wire/protocol-error.ts";
import { Random } from "../../helpers/random.ts";
import { decoded, must, mustBeSame, pure, type Target } from "../target.ts";
import { protocolLines } from "./lines.ts";

const maxLineBytes = 2_048;
const maxBodyBytes = 10_000;
/** What is kept of a line whose end has not come, and of what waits while reading pauses. */
const maxKeptBytes = 4 * maxLineBytes;

/** What a reader makes of a stream: its lines, its bodies, and the error that ended it. */
class Transcript {
  readonly said: string[] = [];
  readonly reader: FrameReader;
  private bodyLeft = 0;
  private body: Buffer[] = [];

  /** `room`: how much of a body is taken at once; `pausesAt`: whether reading pauses behind that line. */
  constructor(room: () => number, pausesAt: (line: number) => boolean) {
    let lines = 0;
    let place = new Uint8Array(0);
    this.reader = new FrameReader(
      {
        onLine: (line) => {
          must(line.length <= maxLineBytes && !line.includes(0x0a), "no line");
          this.said.push(`line ${Buffer.from(line).toString("latin1")}`);
          if (pausesAt(++lines)) this.reader.pause();
          this.bodyLeft = bodyOf(line);
          return this.bodyLeft;
        },
        bodyRoom: () => {
          place = new Uint8Array(room());
          return place;
        },
        onBody: (length) => {
          must(length > 0 && length <= place.length && length <= this.bodyLeft, "more body than there is");
          this.body.push(Buffer.from(place.subarray(0, length)));
          this.bodyLeft -= length;
          if (this.bodyLeft === 0)
            this.said.push(`body ${Buffer.concat(this.body.splice(0)).toString("latin1")}`);
        },
      },
      maxLineBytes,
    );
  }

  /** False when nothing more is to come. */
  push(bytes: Uint8Array): boolean {
    return this.orError(() => this.reader.push(bytes));
  }

  orError(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.said.push(`error ${error.code}`);
      this.reader.stop();
      return false;
    }
  }

  get all(): string[] {
    const begun = Buffer.concat(this.body).toString("latin1");
    return begun === "" ? this.said : [...this.said, `part ${begun}`];
  }
}

const beforeBody = Buffer.from('{"type":"');

/** As a downloader sees it: what DATA and HASHES say. */
function bodyOf(line: Uint8Array): number {
  if (Buffer.compare(line.subarray(0, beforeBody.length), beforeBody) !== 0) return 0;
  const result = decoded(() => decodePeerAnswer(line));
  if (!("message" in result)) return 0;
  const { message } = result;
  return message.type === "DATA" || message.type === "HASHES" ? message.length % maxBodyBytes : 0;
}

const never = () => false;

function run(input: Uint8Array): () => string {
  const whole = new Transcript(() => 1_000, never);
  whole.push(input);
  return () => inPieces(input, whole);
}

function inPieces(input: Uint8Array, whole: Transcript): string {
  const random = new Random(Bun.hash.crc32(input));

  const bytewise = new Transcript(() => 1, never);
  for (const byte of input) if (!bytewise.push(Uint8Array.of(byte))) break;
  mustBeSame("byte by byte", bytewise.all, whole.all);

  const paused = new Transcript(
    () => random.whole(1, 3_000),
    () => random.chance(0.3),
  );
  for (let at = 0, isOn = true; isOn && at < input.length; ) {
    const end = at + random.whole(0, random.chance(0.2) ? 4_000 : 20);
    isOn = paused.push(Uint8Array.from(input.subarray(at, end)));
    at = end;
    while (isOn && paused.reader.isPaused && random.chance(0.7)) isOn = goOn(paused, random);
    if (!paused.reader.holdsBack)
      must(paused.reader.keptBytes <= maxKeptBytes, `${paused.reader.keptBytes} bytes are kept`);
  }
  while (paused.reader.isPaused && paused.said.at(-1)?.startsWith("error") !== true) {
    if (!paused.orError(() => paused.reader.resume())) break;
  }
  mustBeSame("in pieces and with pauses", paused.all, whole.all);
  return whole.said
    .map((said) => said.slice(0, said.startsWith("error") ? 20 : 4))
    .join()
    .slice(0, 60);
}

/** What is held back is handed on, in part or to the next pause. */
function goOn(transcript: Transcript, random: Random): boolean {
  const { reader } = transcript;
  if (random.chance(0.5)) return transcript.orError(() => reader.resume());
  return transcript.orError(() => void reader.handOn(random.whole(0, 50)));
}

export const framingTarget: Target = {
  name: "framing",
  maxBytes: 64 * 1024,
  seeds: () => [
    ...protocolLines.map((line) => `${line}\n`),
    `${protocolLines.join("\r\n")}\n`,
    '{"type":"DATA","id":2,"offset":0,"length":12}\nhello, world\n{"type":"HASHES","id":1,"length":3}\n\n\n\n{}\n',
    `${"a".repeat(maxLineBytes)}\n${"b".repeat(maxLineBytes + 1)}\n`,
    "\n\r\n\r\r\n\n",
  ],
  inCheck: 300,
  begin: pure(run),
};
