/**
 * TLS as this program uses it, in one place: version 1.3, self-signed certificates on both sides, and nobody believed
 * because TLS accepts him. Who the other side is, is compared by fingerprint (`connect.ts`); that it belongs to the
 * network, is proved (`proving.ts`). Facts about Bun 1.4.5 that shape it (measured):
 *
 * - empty options mean no encryption at all, so these never are;
 * - `success` of the `handshake` event says nothing, `checkServerIdentity` is not called, and NODE_TLS_REJECT_UNAUTHORIZED
 *   changes what a missing `rejectUnauthorized` means: it is always given, and believed by nobody;
 * - of a handshake that failed nothing can be exported: that is how it is told from one that did not.
 */
import { fingerprintOfTls } from "../trust/fingerprint.ts";
import type { Identity } from "../trust/identity.ts";
import { exporterLabel, proofBytes } from "../trust/token-proof.ts";
import type { Fingerprint } from "../wire/fingerprint.ts";

/** TLS 1.3, as it stands in a record. Bun takes numbers, its types know nothing of these. */
const tls13 = 0x0304;

/** First bytes of a connection: a TLS record that holds an alert, one that holds a handshake. */
export const alertRecord = 0x15;
export const handshakeRecord = 0x16;

export function tlsOptions({ keyPem, certificatePem }: Identity): Bun.TLSOptions {
  const versions = { minVersion: tls13, maxVersion: tls13 };
  return { key: keyPem, cert: certificatePem, rejectUnauthorized: false, requestCert: true, ...versions };
}

/** What a finished handshake has shown. */
export interface SecuredSocket {
  /** Of the other side; undefined: it showed no certificate. */
  readonly fingerprint: Fingerprint | undefined;
  /** See `Transcript`. */
  readonly exported: Uint8Array;
}

/** What a socket of Bun's with TLS can do beyond its types (1.4.5). */
interface TlsSocket {
  getTLSVersion(): string;
  getPeerCertificate(): { fingerprint256?: string } | undefined;
  exportKeyingMaterial(length: number, label: string): Buffer;
}

/** In the `handshake` event: undefined when there is no TLS 1.3 connection. */
export function securedSocket(socket: object): SecuredSocket | undefined {
  const tls = socket as TlsSocket;
  try {
    const exported = new Uint8Array(tls.exportKeyingMaterial(proofBytes, exporterLabel));
    if (tls.getTLSVersion() !== "TLSv1.3" || exported.length !== proofBytes) return undefined;
    return { exported, fingerprint: fingerprintOfTls(tls.getPeerCertificate()?.fingerprint256) };
  } catch {
    // The one call that throws is the export, and it does so when the handshake has failed.
    return undefined;
  }
}
