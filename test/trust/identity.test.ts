import { describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { chmodSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LocalIoError } from "../../src/errors.ts";
import { fingerprintOfCertificate } from "../../src/trust/fingerprint.ts";
import { identityIn } from "../../src/trust/identity.ts";
import { fingerprint } from "../../src/wire/fingerprint.ts";
import { temporaryFolder } from "../library/temporary-folder.ts";

describe("an identity", () => {
  test("is made once, for this user's eyes, and stays", async () => {
    using folder = temporaryFolder();
    const home = join(folder.path, "not", "there", "yet");
    const before = process.umask(0);
    const first = await identityIn(home).finally(() => process.umask(before));
    expect(await identityIn(home)).toEqual(first);
    expect(readdirSync(home)).toEqual(["identity.pem"]);
    expect(statSync(join(home, "identity.pem")).mode & 0o777).toBe(0o600);
    expect(statSync(home).mode & 0o077).toBe(0);
  });

  test("is one certificate that lasts, and its fingerprint is that of the bytes", async () => {
    using folder = temporaryFolder();
    const { certificatePem, fingerprint: own } = await identityIn(folder.path);
    const certificate = new X509Certificate(certificatePem);
    expect(own).toBe(fingerprint(new Bun.CryptoHasher("sha256").update(certificate.raw).digest("hex"))!);
    expect(new Date(certificate.validTo).getUTCFullYear()).toBe(9999);
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "prime256v1" });
  });

  test("is the same for all who make it at the same time", async () => {
    using folder = temporaryFolder();
    const made = await Promise.all(Array.from({ length: 8 }, () => identityIn(folder.path)));
    expect(new Set(made.map((each) => each.fingerprint)).size).toBe(1);
    expect(readdirSync(folder.path)).toEqual(["identity.pem"]);
  });

  test.each(["", "no PEM", "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----\n"])(
    "that is damaged (%j) is not replaced",
    async (text) => {
      using folder = temporaryFolder();
      writeFileSync(join(folder.path, "identity.pem"), text, { mode: 0o600 });
      expect(identityIn(folder.path)).rejects.toThrow(/not the identity of this machine any more/);
    },
  );

  test("that others may read is refused", async () => {
    using folder = temporaryFolder();
    await identityIn(folder.path);
    chmodSync(join(folder.path, "identity.pem"), 0o640);
    expect(identityIn(folder.path)).rejects.toThrow(/others may read \(mode 0640\): chmod 600/);
  });

  test("is not read through a link", async () => {
    using folder = temporaryFolder();
    await identityIn(folder.path);
    using other = temporaryFolder();
    symlinkSync(join(folder.path, "identity.pem"), join(other.path, "identity.pem"));
    expect(identityIn(other.path)).rejects.toThrow(LocalIoError);
  });

  test.skipIf(process.getuid?.() === 0)("that cannot be written is one line", async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o500);
    expect(identityIn(folder.path)).rejects.toThrow(/cannot write/);
  });
});

test("what is no certificate has no fingerprint", () => {
  expect(fingerprintOfCertificate("hello")).toBeUndefined();
  expect(fingerprint("AB".repeat(32))).toBeUndefined();
});

test("an identity in a folder that others may write to is refused (A38)", async () => {
  using folder = temporaryFolder();
  chmodSync(folder.path, 0o775);
  const refused = identityIn(folder.path);
  expect(refused).rejects.toThrow(`others may write to ${folder.path}`);
  await refused.catch(() => {});
  expect(readdirSync(folder.path)).toEqual([]);
});
