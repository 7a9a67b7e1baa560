import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * A stand-in for Debian's `systemd-creds`, for machines without a TPM: it takes the same arguments, and what it seals only opens while
 * `setTpm` has not put another TPM in its place. Sealing here is base64: it stands for the TPM's behaviour, not for its strength.
 */
export function fakeCreds(folder: string) {
  mkdirSync(folder, { recursive: true });
  const [command, tpm] = [join(folder, 'systemd-creds'), join(folder, 'tpm')];
  const setTpm = (id: string | null) => writeFileSync(tpm, id === null ? '' : `${id}\n`);
  setTpm('tpm-1');
  writeFileSync(
    command,
    `#!/bin/sh
tpm=$(cat '${tpm}')
case "$1" in
  has-tpm2) [ -n "$tpm" ]; exit $? ;;
esac
[ -n "$tpm" ] || { echo 'TPM2 support not installed: Operation not supported' >&2; exit 1; }
case "$1 $2" in
  'encrypt --with-key='*) printf '%s.%s\\n' "$tpm" "$(base64 -w0)" ;;
  'decrypt --name=thinman-device-secret')
    read -r sealed
    [ "\${sealed%%.*}" = "$tpm" ] || { echo 'Failed to unseal secret using TPM2: Operation not permitted' >&2; exit 1; }
    printf '%s' "\${sealed#*.}" | base64 -d ;;
  *) echo "what is $*?" >&2; exit 2 ;;
esac
`,
  );
  chmodSync(command, 0o755);
  return { command, setTpm, path: `${folder}${delimiter}${process.env.PATH ?? ''}` };
}
