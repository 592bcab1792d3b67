/** Who a machine is: the SHA-256 of its certificate (DER), as 64 digits of lower-case hex. */
import { X509Certificate } from "node:crypto";

export type Fingerprint = string & { readonly brand: "Fingerprint" };

const hex = /^[0-9a-f]{64}$/;

/** Undefined for what is none. */
export function fingerprint(text: string): Fingerprint | undefined {
  return hex.test(text) ? (text as Fingerprint) : undefined;
}

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
