import type { CertificateAuthority, Clock } from '../ports.ts';
import type { CaKeys } from './ca-keys.ts';
import { bridgeCa, openCertificateAuthority } from './certificate-authority.ts';
import { toPem } from './identity-files.ts';
import { pinOf } from './pins.ts';
import { signStatement } from './statement.ts';

/** The site CA on the Primary: the first of `caCertificates` issues, whichever that is now. */
export function createSiteAuthority(
  keys: Pick<CaKeys, 'find' | 'isNext'>,
  caCertificates: () => readonly string[],
  clock: Clock,
): CertificateAuthority {
  const keyOf = (pin: string) => {
    const key = keys.find(pin);
    if (key === undefined) throw new Error('the key of the CA that issues is not on this server');
    return key;
  };
  const issuer = () => {
    const [pem = ''] = caCertificates();
    return openCertificateAuthority(toPem(keyOf(pinOf(pem))), pem, clock);
  };
  /** Only from the old CA to the new one: the other way round, what the old one signs would outlive its end. */
  const bridge = async (): Promise<string> => {
    const [next, previous] = caCertificates();
    if (next === undefined || previous === undefined || !keys.isNext(pinOf(next))) return '';
    const key = keys.find(pinOf(previous));
    return key === undefined ? '' : bridgeCa({ key, certificatePem: previous }, next);
  };
  return {
    issueDevice: (csrPem, deviceId) => issuer().issueDevice(csrPem, deviceId),
    async issueServer(csrPem, name, urls) {
      const issued = await issuer().issueServer(csrPem, name, urls);
      return { ...issued, pem: issued.pem + (await bridge()) };
    },
    sign(statement) {
      const [issuing = '', ...others] = statement.caPins;
      return signStatement(
        statement,
        keyOf(issuing),
        others.map(pin => keys.find(pin)).filter(key => key !== undefined),
      );
    },
  };
}
