import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Certificate } from './server.ts';

const DAY = 24 * 60 * 60 * 1000;
const CA_DAYS = 3650;
const LEAF_DAYS = 30;
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate authority of our own and the serving certificate it signed, all PEM. */
export interface ServingCertificate extends Certificate {
  ca: string;
  caKey: string;
}

/**
 * Makes a serving certificate (ECDSA P-256, 30 days) and, where none is given, the authority that signs it.
 * @param names DNS names; the first is the subject.
 * @param now milliseconds since 1970: the clock is passed in so that expiry can be tested.
 */
export async function issue(
  names: string[],
  now: number,
  authority?: { ca: string; caKey: string },
): Promise<ServingCertificate> {
  const { ca, caKey } = authority ?? (await makeAuthority(now));
  const issuer = new x509.X509Certificate(ca);
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${names[0]}`.slice(0, 67),
    issuer: issuer.subject,
    // An hour back: clocks of other nodes may be behind.
    notBefore: new Date(now - 60 * 60 * 1000),
    notAfter: new Date(now + LEAF_DAYS * DAY),
    signingAlgorithm: KEY,
    publicKey: keys.publicKey,
    signingKey: await importKey(caKey),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
      await x509.AuthorityKeyIdentifierExtension.create(issuer, false),
    ],
  });
  return { ca, caKey, certificate: leaf.toString('pem'), privateKey: await exportKey(keys.privateKey) };
}

async function makeAuthority(now: number): Promise<{ ca: string; caKey: string }> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=tracing-operator webhook CA',
    notBefore: new Date(now - 60 * 60 * 1000),
    notAfter: new Date(now + CA_DAYS * DAY),
    signingAlgorithm: KEY,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { ca: ca.toString('pem'), caKey: await exportKey(keys.privateKey) };
}

/**
 * Whether a certificate can be served as it is: it names all of `names`, its authority signed it, and a third of its
 * life or more is left.
 */
export async function isFresh(held: ServingCertificate, names: string[], now: number): Promise<boolean> {
  try {
    const leaf = new x509.X509Certificate(held.certificate);
    const authority = new x509.X509Certificate(held.ca);
    const alternative = leaf.getExtension(x509.SubjectAlternativeNameExtension);
    const named = alternative?.names.items.map((name) => name.value) ?? [];
    const lifetime = leaf.notAfter.getTime() - leaf.notBefore.getTime();
    return (
      names.every((name) => named.includes(name)) &&
      now >= leaf.notBefore.getTime() &&
      leaf.notAfter.getTime() - now >= lifetime / 3 &&
      authority.notAfter.getTime() > leaf.notAfter.getTime() &&
      (await leaf.verify({ publicKey: authority, date: new Date(now) }))
    );
  } catch {
    return false;
  }
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (!der) throw new Error('not a PEM private key');
  return crypto.subtle.importKey('pkcs8', der, KEY, false, ['sign']);
}
