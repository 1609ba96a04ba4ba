import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  type JsonGeneralName,
  type X509Certificate,
} from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;
const LIFETIME_DAYS = 365;

interface Authority {
  readonly keys: webcrypto.CryptoKeyPair;
  readonly certificate: X509Certificate;
}

/** Who holds a certificate, and under which names a server is reached with it. */
export interface Holder {
  readonly file: string;
  readonly subject: string;
  readonly names?: readonly JsonGeneralName[];
}

/** Writes an authority (`ca`), the service accounts' key pair (`sa`) and one certificate a holder into `dir`, all PEM. */
export async function writeCertificates(dir: string, holders: readonly Holder[]): Promise<void> {
  const authority = await makeAuthority();
  await writePair(dir, 'ca', authority.keys, authority.certificate);
  await Promise.all(holders.map((holder) => writeHolder(dir, authority, holder)));
  const accounts = await newKeys();
  await writeKey(dir, 'sa', accounts);
  const spki = await webcrypto.subtle.exportKey('spki', accounts.publicKey);
  writeFileSync(join(dir, 'sa.pub'), `${PemConverter.encode(spki, 'PUBLIC KEY')}\n`);
}

async function makeAuthority(): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(),
    serialNumber: '01',
    name: 'CN=cluster-ca',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  return { keys, certificate };
}

async function writeHolder(dir: string, authority: Authority, holder: Holder): Promise<void> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.create({
    ...validity(),
    subject: holder.subject,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      ...(holder.names === undefined ? [] : [new SubjectAlternativeNameExtension([...holder.names])]),
    ],
  });
  await writePair(dir, holder.file, keys, certificate);
}

/** An hour back, for clocks that differ between the host and what reads the certificate. */
function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + LIFETIME_DAYS * 24 * HOUR_MS) };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function writePair(
  dir: string,
  file: string,
  keys: webcrypto.CryptoKeyPair,
  certificate: X509Certificate,
): Promise<void> {
  await writeKey(dir, file, keys);
  writeFileSync(join(dir, `${file}.crt`), `${certificate.toString('pem')}\n`);
}

async function writeKey(dir: string, file: string, keys: webcrypto.CryptoKeyPair): Promise<void> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  writeFileSync(join(dir, `${file}.key`), `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`, { mode: 0o600 });
}
