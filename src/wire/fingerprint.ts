/** Who a machine is: the SHA-256 of its certificate (DER), as 64 digits of lower-case hex. */
export type Fingerprint = string & { readonly brand: "Fingerprint" };

const hex = /^[0-9a-f]{64}$/;

/** Undefined for what is none. */
export function fingerprint(text: string): Fingerprint | undefined {
  return hex.test(text) ? (text as Fingerprint) : undefined;
}
