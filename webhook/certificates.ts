import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { Certificate } from './tls-server.ts';

const DAY = 24 * 60 * 60 * 1000;
const CA_DAYS = 3650;
const LEAF_DAYS = 30;
const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const CROSS_PATHS = 0;

/**
 * A certificate authority of our own and the serving certificate it signed, all PEM. After the authority was renewed the
 * one before it is still there, until it ends: whoever trusts only that one gets from the serving certificate to it by way
 * of `cross`, which comes with the serving certificate.
 */
export interface ServingCertificate extends Certificate {
  ca: string;
  caKey: string;
  previous?: {
    ca: string;
    /** The present authority as the previous one signed it; absent where that could not sign any more. */
    cross?: string;
  };
}

type Authority = Pick<ServingCertificate, 'ca' | 'caKey' | 'previous'>;

/**
 * Makes a serving certificate (ECDSA P-256, 30 days) and, where none is given, the authority that signs it.
 * @param names DNS names; the first is the subject.
 * @param now milliseconds since 1970: the clock is passed in so that expiry can be tested.
 */
export async function issue(names: string[], now: number, authority?: Authority): Promise<ServingCertificate> {
  const { ca, caKey, previous } = authority ?? (await makeAuthority(now));
  const issuer = new x509.X509Certificate(ca);
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: `CN=${names[0]}`.slice(0, 67),
    issuer: issuer.subject,
    ...lifetime(now, LEAF_DAYS),
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
  const kept = previous && isCurrent(previous.ca, now) ? previous : undefined;
  return {
    ca,
    caKey,
    ...(kept && { previous: kept }),
    certificate: [leaf.toString('pem'), ...(kept?.cross === undefined ? [] : [kept.cross])].join('\n'),
    privateKey: await exportKey(keys.privateKey),
  };
}

/**
 * What is to be served instead of `held`: a new serving certificate under the same authority, or under a new one where
 * that is past two thirds of its life or cannot sign any more.
 * @param newAuthority makes a new authority in any case.
 */
export async function renew(
  names: string[],
  now: number,
  held: ServingCertificate,
  newAuthority = false,
): Promise<ServingCertificate> {
  if (!newAuthority && authorityIsFresh(held.ca, now)) {
    const renewed = await issue(names, now, held).catch(() => undefined);
    if (renewed && (await isFresh(renewed, names, now))) return renewed;
  }
  const authority: Authority = await makeAuthority(now);
  if (isCurrent(held.ca, now)) {
    const cross = await crossSign(authority.ca, held).catch(() => undefined);
    authority.previous = { ca: held.ca, ...(cross !== undefined && { cross }) };
  }
  return issue(names, now, authority);
}

/** Every authority that clients have to trust now, the present one first: PEM. */
export function trusted({ ca, previous }: Pick<ServingCertificate, 'ca' | 'previous'>, now: number): string {
  return previous && isCurrent(previous.ca, now) ? `${ca.trimEnd()}\n${previous.ca}` : ca;
}

/**
 * Whether a certificate can be served as it is: it names all of `names`, its authority signed it, and a third of its
 * life or more is left, as of the authority's.
 */
export async function isFresh(held: ServingCertificate, names: string[], now: number): Promise<boolean> {
  try {
    const leaf = new x509.X509Certificate(held.certificate);
    const authority = new x509.X509Certificate(held.ca);
    const alternative = leaf.getExtension(x509.SubjectAlternativeNameExtension);
    const named = alternative?.names.items.map((name) => name.value) ?? [];
    return (
      names.every((name) => named.includes(name)) &&
      hasTime(leaf, now) &&
      hasTime(authority, now) &&
      authority.notAfter.getTime() > leaf.notAfter.getTime() &&
      (await leaf.verify({ publicKey: authority, date: new Date(now) }))
    );
  } catch {
    return false;
  }
}

/** When a certificate (the first of a PEM text) ends, milliseconds since 1970. @throws where it is none. */
export function endOf(certificate: string): number {
  return new x509.X509Certificate(certificate).notAfter.getTime();
}

async function makeAuthority(now: number): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  // Each has a name of its own: two authorities of one name confuse whoever looks for the issuer of a certificate.
  const name = `CN=tracing-operator webhook CA ${crypto.randomUUID().slice(0, 8)}`;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    ...lifetime(now, CA_DAYS),
    signingAlgorithm: KEY,
    keys,
    extensions: [
      // One more authority may follow: the next one, as this one signs it.
      new x509.BasicConstraintsExtension(true, CROSS_PATHS + 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false),
    ],
  });
  return { ca: ca.toString('pem'), caKey: await exportKey(keys.privateKey) };
}

/** An authority's certificate as another authority signs it. @throws where that one's key does not fit. */
async function crossSign(ca: string, by: Pick<ServingCertificate, 'ca' | 'caKey'>): Promise<string> {
  const subject = new x509.X509Certificate(ca);
  const issuer = new x509.X509Certificate(by.ca);
  const cross = await x509.X509CertificateGenerator.create({
    subject: subject.subject,
    issuer: issuer.subject,
    notBefore: subject.notBefore,
    notAfter: new Date(Math.min(subject.notAfter.getTime(), issuer.notAfter.getTime())),
    signingAlgorithm: KEY,
    publicKey: subject.publicKey,
    signingKey: await importKey(by.caKey),
    extensions: [
      new x509.BasicConstraintsExtension(true, CROSS_PATHS, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(subject.publicKey, false),
      await x509.AuthorityKeyIdentifierExtension.create(issuer, false),
    ],
  });
  if (!(await cross.verify({ publicKey: issuer, signatureOnly: true }))) throw new Error('key and authority differ');
  return cross.toString('pem');
}

function lifetime(now: number, days: number): { notBefore: Date; notAfter: Date } {
  // An hour back: clocks of other nodes may be behind.
  return { notBefore: new Date(now - 60 * 60 * 1000), notAfter: new Date(now + days * DAY) };
}

/** A third of its life or more is left. */
function hasTime({ notBefore, notAfter }: x509.X509Certificate, now: number): boolean {
  const [from, to] = [notBefore.getTime(), notAfter.getTime()];
  return now >= from && to - now >= (to - from) / 3;
}

function authorityIsFresh(ca: string, now: number): boolean {
  try {
    return hasTime(new x509.X509Certificate(ca), now);
  } catch {
    return false;
  }
}

function isCurrent(ca: string, now: number): boolean {
  try {
    const { notBefore, notAfter } = new x509.X509Certificate(ca);
    return now >= notBefore.getTime() && now < notAfter.getTime();
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
