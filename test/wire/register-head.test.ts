/** Where a peer says that it is reached, without decoding what it shares. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeIndexRequest } from "../../src/wire/decode-index-request.ts";
import { encodeIndexRequest } from "../../src/wire/encode.ts";
import type { FileName } from "../../src/wire/file-name.ts";
import { registerHead } from "../../src/wire/register-head.ts";

const bytes = (text: string) => Buffer.from(text);
const entry = (name: string) => ({
  name: name as FileName,
  sizeBytes: 0,
  md5: "0".repeat(32),
  root: "0".repeat(64),
});

test.each([
  ['{"type":"REGISTER","id":1,"port":7767,"files":[]}', { port: 7767, host: undefined }],
  ['{"type":"REGISTER","id":1,"port":7767,"host":"10.0.0.5","files":[]}', { port: 7767, host: "10.0.0.5" }],
  ['{"port":1,"id":1,"type":"REGISTER","files":[]}', { port: 1, host: undefined }],
  // The last one counts, however it is written.
  ['{"type":"REGISTER","id":1,"port":7767,"files":[],"port":80}', { port: 80, host: undefined }],
  ['{"type":"REGISTER","id":1,"port":7767,"files":[],"port" : 80}', { port: 80, host: undefined }],
  ['{"type":"REGISTER","id":1,"port":7767,"files":[],"\\u0070ort":80}', { port: 80, host: undefined }],
  ['{"type":"REGISTER","id":1,"port":7767,"files":[],"host":"::1"}', { port: 7767, host: "::1" }],
  ['{"type":"REGISTER","id":1,"port":7767,"files":[{"name":"port"}]}', { port: 7767, host: undefined }],
])("%s", (line, head) => expect(registerHead(bytes(line))).toEqual(head));

test.each([
  '{"type":"REGISTER","id":1,"port":0,"files":[]}',
  '{"type":"REGISTER","id":1,"port":65536,"files":[]}',
  '{"type":"REGISTER","id":1,"port":"7767","files":[]}',
  '{"type":"REGISTER","id":1,"port":7767,"host":"localhost","files":[]}',
  '{"type":"REGISTER","id":1,"port":7767,"host":"127.1","files":[]}',
  '{"type":"REGISTER","id":1,"port":7767,"files":[],"port":null}',
])("%s is refused", (line) => expect(() => registerHead(bytes(line))).toThrow());

test("is what the whole line says, whatever the files are called", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 65_535 }),
      fc.array(fc.oneof(fc.constantFrom("port", '"port":9', "host", "\\u0070ort"), fc.string()), {
        maxLength: 5,
      }),
      (port, names) => {
        const line = bytes(
          encodeIndexRequest({ type: "REGISTER", id: 1, port, files: names.map(entry) }).trimEnd(),
        );
        expect(registerHead(line)).toEqual({ port, host: undefined });
      },
    ),
  );
});

test("agrees with the decoder on any line that this takes", () => {
  const field = fc.constantFrom(
    '"port":80',
    '"\\u0070ort":81',
    '"port" :82',
    '"files":[]',
    '"x":"port"',
    '"port":7767',
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 6 }), (fields) => {
      const line = bytes(
        `{"type":"REGISTER","id":1,"port":7767,"files":[]${fields.map((each) => `,${each}`).join("")}}`,
      );
      const whole = decodeIndexRequest(line);
      expect(whole.type === "REGISTER" && whole.port).toBe(registerHead(line).port);
    }),
  );
});
