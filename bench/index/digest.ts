/** The digest of a library as PROTOCOL.md defines it, reckoned on its own: the exclusive or of a hash of each file. */
import { createHash } from "node:crypto";
import type { SharedFile } from "./catalogue.ts";

const digestBytes = 16;

export function libraryDigest(files: readonly SharedFile[]): string {
  const sum = Buffer.alloc(digestBytes);
  const size = Buffer.alloc(8);
  for (const file of files) {
    size.writeBigUInt64BE(BigInt(file.size));
    const hash = createHash("sha256")
      .update(file.root, "hex")
      .update(file.md5, "hex")
      .update(size)
      .update(wholeFile)
      .update(file.name)
      .digest();
    for (let at = 0; at < digestBytes; at++) sum[at]! ^= hash[at]!;
  }
  return sum.toString("hex");
}

/** Not partial. */
const wholeFile = Buffer.from([0]);

/** "This is what I share; do you still hold it?" */
export function returnLine(port: number, digest: string, files: number): string {
  return `${JSON.stringify({ type: "REGISTER", id: 1, port, files: [], library: { digest, files } })}\n`;
}
