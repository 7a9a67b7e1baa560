import { createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCsr, generateDeviceKey, spkiHash } from '../../packages/agent/src/adapters/device-key.ts';
import { DEVICE_SECRET_BYTES } from '../../packages/agent/src/adapters/identity-store.ts';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';
import { openCertificateAuthority } from '../../packages/server/src/identity/certificate-authority.ts';
import { CA_KEY_FILE, identityFolder } from '../../packages/server/src/identity/identity-files.ts';
import { openSourceOfRecord } from '../../packages/server/src/record/source-of-record.ts';
import { systemClock } from '../../packages/server/src/runtime/clock.ts';
import type { Enrolled } from './enrolment.ts';

/** Of one commit: the database is locked for some 50 ms, and its server's own writes wait that long and no longer. */
const AT_ONCE = 100;
/** Certificates that are made at the same time: their signatures are made in the threads of the pool. */
const SIGNED_AT_ONCE = 8;

/**
 * Devices of these names in a site on the embedded database, whose Primary may run meanwhile: their certificates are made here, with its
 * CA's key, and they are committed as it would commit them, a hundred at a time. For tests that are about something else than
 * enrolment, which takes a server three times as long. The servers know them with their next look at the database.
 */
export async function makeFleet(primaryData: string, names: readonly string[], group: string): Promise<Enrolled> {
  const record = openSourceOfRecord('sqlite:site.db', { dataDir: primaryData, clock: systemClock });
  try {
    const site = await record.site();
    const [caPem = ''] = site?.caCertificates ?? [];
    if (site === undefined) throw new Error(`${primaryData} holds no site`);
    const caKey = readFileSync(join(identityFolder(primaryData), CA_KEY_FILE), 'utf8');
    const authority = openCertificateAuthority(caKey, caPem, systemClock);
    const by = { instance: site.primaryInstance, epoch: site.version.epoch, actor: 'fleet' };

    const waiting = [...names];
    const made: (Omit<DeviceIdentity, 'deviceId'> & { readonly serial: string; readonly expiresAt: number })[] = [];
    const work = async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        const privateKey = generateDeviceKey();
        const { pem, serial, expiresAt } = await authority.issueDevice(createCsr(privateKey, name), name);
        made.push({
          ...{ siteId: site.siteId, name, privateKey, certificate: pem, caCertificates: site.caCertificates },
          ...{ keyHash: spkiHash(createPrivateKey(privateKey)), deviceSecret: randomBytes(DEVICE_SECRET_BYTES) },
          ...{ serial, expiresAt },
        });
      }
    };
    await Promise.all(Array.from({ length: SIGNED_AT_ONCE }, work));

    const identities: DeviceIdentity[] = [];
    for (let from = 0; from < made.length; from += AT_ONCE) {
      const outcome = await record.commit(by, async transaction => {
        for (const { serial, expiresAt, ...device } of made.slice(from, from + AT_ONCE)) {
          const { uid } = await transaction.put(
            'Device',
            device.name,
            { group },
            {
              ...{ keyHash: device.keyHash, certificateSerial: serial, certificateExpiresAt: expiresAt },
              ...{ enrolledAt: Date.now(), enrolledBy: 'fleet' },
            },
          );
          identities.push({ ...device, deviceId: uid });
        }
        return { write: true, result: undefined };
      });
      if (outcome.kind !== 'committed') throw new Error(`the devices were not committed: ${outcome.kind}`);
    }
    return { identities, signed: site.statement };
  } finally {
    await record.close();
  }
}
