import { join } from 'node:path';
import type { BundleFile } from '@thinman/protocol';
import { writeFileAtomic } from '../atomic-file.ts';
import type { Applier } from './applier.ts';

const FILE = 'device-policy.json';
/** For other programs of the device. A user's settings and profile never come here. */
const FILE_MODE = 0o644;

/** Writes the effective policy of the device as JSON: `{"device", "version", "settings", "connections"}`, and in `files` where those lie that settings name. */
export function devicePolicyFile(
  appliedDir: string,
  paths: (files: readonly BundleFile[] | undefined) => Record<string, string> = () => ({}),
): Applier {
  let written = '';
  return {
    section: 'files',
    async apply({ device: { device, version, settings, profile, files } }) {
      const content = {
        device: device.name,
        version,
        settings,
        connections: profile.connections,
        ...(files !== undefined && { files: paths(files) }),
      };
      const text = `${JSON.stringify(content, null, 2)}\n`;
      // A session that begins or ends changes nothing of it.
      if (text !== written) writeFileAtomic(join(appliedDir, FILE), text, FILE_MODE);
      written = text;
      return { result: 'applied' };
    },
  };
}
