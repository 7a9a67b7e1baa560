import { join } from 'node:path';
import { type BundleFile, replaceAt, SECRET_IS_SET, secretsIn } from '@thinman/protocol';
import { isWritten, writeFileAtomic } from '../atomic-file.ts';
import type { Applier } from './applier.ts';

const FILE = 'device-policy.json';
/** For other programs of the device. A user's settings and profile never come here. */
const FILE_MODE = 0o644;

/**
 * Writes the effective policy of the device as JSON: `{"device", "version", "settings", "connections"}`, and in `files` where those
 * lie that settings name. Everybody on the device may read it: where a secret is, it has `{"secret": "set"}`. Hooks are given it.
 */
export function devicePolicyFile(
  appliedDir: string,
  paths: (files: readonly BundleFile[] | undefined) => Record<string, string> = () => ({}),
): Applier {
  let written: string | undefined;
  return {
    section: 'files',
    async apply({ device: { device, version, settings, profile, files } }) {
      const content = {
        device: device.name,
        version,
        settings: withoutSecrets(settings),
        connections: profile.connections,
        ...(files !== undefined && { files: paths(files) }),
      };
      const text = `${JSON.stringify(content, null, 2)}\n`;
      // A session that begins or ends changes nothing of it, nor does a start: it saves two flushes of the disk.
      const path = join(appliedDir, FILE);
      const isThere = written === undefined ? isWritten(path, text, FILE_MODE) : text === written;
      if (!isThere) writeFileAtomic(path, text, FILE_MODE);
      written = text;
      return { result: 'applied' };
    },
  };
}

function withoutSecrets(settings: Readonly<Record<string, unknown>>): unknown {
  const body: unknown = { settings };
  const hidden = secretsIn('Policy', { settings }).reduce(
    (shown, { path }) => replaceAt(shown, path, () => SECRET_IS_SET),
    body,
  );
  return (hidden as { readonly settings: unknown }).settings;
}
