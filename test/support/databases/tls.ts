import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../programs.ts';
import type { DatabaseTls } from './database-server.ts';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];
const VALID_DAYS = '2';

/** A CA with certificates for a database server (`host`: its IP address) and a client of it, PEM files in `folder`. */
export async function createDatabaseTls(folder: string, host = '127.0.0.1'): Promise<DatabaseTls> {
  const file = (name: string) => join(folder, name);
  const certify = (name: string, ...more: string[]) => {
    const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)];
    return runProgram(
      'openssl',
      'req',
      '-x509',
      ...KEY,
      ...files,
      '-days',
      VALID_DAYS,
      '-subj',
      `/CN=${name}`,
      ...more,
    );
  };
  const issue = (name: string, ...extensions: string[]) =>
    certify(name, '-CA', file('ca.crt'), '-CAkey', file('ca.key'), ...extensions.flatMap(text => ['-addext', text]));

  await mkdir(folder, { recursive: true });
  await certify('ca');
  const leaf = 'basicConstraints=critical,CA:FALSE';
  await issue('server', leaf, 'extendedKeyUsage=serverAuth', `subjectAltName=IP:${host}`);
  await issue('client', leaf, 'extendedKeyUsage=clientAuth');
  return {
    caFile: file('ca.crt'),
    serverCertificateFile: file('server.crt'),
    serverKeyFile: file('server.key'),
    clientCertificateFile: file('client.crt'),
    clientKeyFile: file('client.key'),
  };
}
