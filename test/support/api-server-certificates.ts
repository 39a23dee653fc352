/** Certificates for tests of encrypted connections, made by openssl(1) and valid for a day. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  readonly ca: Certificate;
  /** For 127.0.0.1 and the name `api.test`. */
  readonly server: Certificate;
  readonly client: Certificate;
}

export function makeCertificates(folder: string): Certificates {
  const ca = make(folder, 'ca', []);
  const signed = ['-CA', ca.certFile, '-CAkey', ca.keyFile];
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:api.test'];
  return { ca, server: make(folder, 'server', [...signed, ...names]), client: make(folder, 'client', signed) };
}

function make(folder: string, name: string, more: readonly string[]): Certificate {
  const certFile = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', keyFile, '-out', certFile];
  const options = ['req', '-x509', ...curve, '-days', '1', '-subj', `/CN=${name}`, ...files, ...more];
  execFileSync('openssl', options, { stdio: 'pipe' });
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}
