import Type from 'typebox';
import { fileName } from '../file.ts';
import type { Section } from './setting.ts';

/** A certificate in PEM has about 2 kB; a chain of them is several entries. */
const MAX_PEM = 16_384;

export const certificates: Section = {
  name: 'certificates',
  title: 'Certificates',
  settings: [
    {
      key: 'certificates.trust',
      scope: 'device',
      merge: 'union',
      schema: Type.Array(
        Type.String({
          pattern: '^-----BEGIN CERTIFICATE-----\\n[A-Za-z0-9+/=\\n]+\\n-----END CERTIFICATE-----\\n?$',
          maxLength: MAX_PEM,
          description: 'one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE',
        }),
        { maxItems: 64 },
      ),
      default: [],
      title: 'Trusted CAs',
      help: 'Certificates that browser and connections trust beside those of the system, PEM, one an entry. Lists of all policies are united.',
    },
    {
      key: 'certificates.trustFiles',
      scope: 'device',
      merge: 'union',
      schema: Type.Array(fileName, { maxItems: 64 }),
      default: [],
      title: 'Trusted CAs in files',
      help: 'Files with certificates in PEM, beside those of certificates.trust. Lists of all policies are united.',
    },
  ],
};
