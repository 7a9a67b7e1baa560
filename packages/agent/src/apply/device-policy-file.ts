import { join } from 'node:path';
import { writeFileAtomic } from '../atomic-file.ts';
import type { Applier } from './applier.ts';

const FILE = 'device-policy.json';
/** For other programs of the device. A user's settings and profile never come here. */
const FILE_MODE = 0o644;

/** Writes the effective policy of the device as JSON: `{"device", "version", "settings", "connections"}`. */
export function devicePolicyFile(appliedDir: string): Applier {
  return {
    section: 'files',
    async apply({ device, version, settings, profile }) {
      const content = { device: device.name, version, settings, connections: profile.connections };
      writeFileAtomic(join(appliedDir, FILE), `${JSON.stringify(content, null, 2)}\n`, FILE_MODE);
      return { outcome: 'applied' };
    },
  };
}
