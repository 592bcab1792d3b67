/** Fingerprints as they come from TLS and from certificates. */
import { X509Certificate } from "node:crypto";
import { type Fingerprint, fingerprint } from "../wire/fingerprint.ts";

/** From `AB:CD:…`, as TLS libraries and OpenSSL write it. */
export function fingerprintOfTls(text: string | undefined): Fingerprint | undefined {
  return text === undefined ? undefined : fingerprint(text.replaceAll(":", "").toLowerCase());
}

/** Undefined when the text holds no certificate. */
export function fingerprintOfCertificate(pem: string): Fingerprint | undefined {
  try {
    return fingerprintOfTls(new X509Certificate(pem).fingerprint256);
  } catch {
    return undefined;
  }
}

/** Enough to tell machines apart by eye. */
export function shortFingerprint(whole: Fingerprint): string {
  return whole.slice(0, 16);
}
