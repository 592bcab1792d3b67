/** Makes a key and the certificate that goes with it. */

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** It tells who a machine is, and not until when: nobody looks at its dates. They span what the format can say. */
const notBefore = new Date("2000-01-01T00:00:00Z");
const notAfter = new Date("9999-12-31T23:59:59Z");

export async function selfSigned(): Promise<{ keyPem: string; certificatePem: string }> {
  // One after the other: bundled, two import declarations do not keep their order (Bun 1.4.5), and the first is what the
  // second must find loaded. Both are large and seldom needed.
  await import("reflect-metadata");
  const { X509CertificateGenerator } = await import("@peculiar/x509");
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=p2p",
    notBefore,
    notAfter,
    keys,
    signingAlgorithm: algorithm,
  });
  const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    keyPem: pem("PRIVATE KEY", key),
    certificatePem: pem("CERTIFICATE", Buffer.from(certificate.rawData)),
  };
}

/** RFC 7468. */
function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
