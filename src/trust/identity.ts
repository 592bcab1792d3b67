/**
 * This machine's identity: a P-256 key and a certificate signed with it, made on first need and kept where only this
 * user can read them. Nobody vouches for the certificate; others know a machine again by its fingerprint. Who loses
 * the key is a new machine, and nothing else breaks.
 */
import { linkSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LocalIoError, reasonOf, systemCode, UsageError } from "../errors.ts";
import { printable } from "../printable.ts";
import { readSecretFile, refuseSharedFolder, writeNewFile } from "../private-file.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";
import { selfSigned } from "./certificate.ts";
import { fingerprintOfCertificate } from "./fingerprint.ts";

/** As it is handed to TLS. Can be posted to a worker. */
export interface Identity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly fingerprint: Fingerprint;
}

const maxFileBytes = 16 * 1024;
const keyBlock = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----\n/;
const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n/;

/**
 * The identity in `folder` (which need not exist), made when there is none. Throws LocalIoError, and UsageError when others
 * may write there. When several processes make one at the same time all get the same.
 */
export async function identityIn(folder: string): Promise<Identity> {
  refuseSharedFolder(folder);
  const path = join(folder, "identity.pem");
  const there = readIdentity(path);
  if (there !== undefined) return there;
  const made = await newIdentity();
  const draft = join(folder, `.identity-${crypto.randomUUID()}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeNewFile(draft, Buffer.from(made.keyPem + made.certificatePem));
    linkSync(draft, path);
  } catch (error) {
    if (systemCode(error) !== "EEXIST") throw cannot("write", path, error);
  } finally {
    rmSync(draft, { force: true });
  }
  const kept = readIdentity(path);
  if (kept === undefined) throw new LocalIoError(`${printable(path, 500)} has gone while it was being made`);
  return kept;
}

/** Undefined when there is no such file. */
function readIdentity(path: string): Identity | undefined {
  let bytes: Uint8Array | undefined;
  try {
    bytes = readSecretFile(path, maxFileBytes);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    if (error instanceof UsageError) throw error;
    throw cannot("read", path, error);
  }
  const text = Buffer.from(bytes ?? []).toString("latin1");
  const keyPem = keyBlock.exec(text)?.[0];
  const certificatePem = certificateBlock.exec(text)?.[0];
  const own = certificatePem === undefined ? undefined : fingerprintOfCertificate(certificatePem);
  if (keyPem === undefined || certificatePem === undefined || own === undefined)
    throw new LocalIoError(
      `${printable(path, 500)} is not the identity of this machine any more: remove it to be known as a new one`,
    );
  return { keyPem, certificatePem, fingerprint: own };
}

export async function newIdentity(): Promise<Identity> {
  const { keyPem, certificatePem } = await selfSigned();
  const own = fingerprintOfCertificate(certificatePem);
  if (own === undefined) throw new Error("a certificate was made that cannot be read");
  return { keyPem, certificatePem, fingerprint: own };
}

function cannot(what: string, path: string, error: unknown): LocalIoError {
  return new LocalIoError(`cannot ${what} ${printable(path, 500)}: ${reasonOf(error)}`, { cause: error });
}
