import { hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Another at each boot of the machine. */
const BOOT_ID_FILE = '/proc/sys/kernel/random/boot_id';
const TOKEN_BYTES = 32;

/**
 * The secret of the greeter page: the same until the machine boots, so that the page goes on when the agent is restarted;
 * kept nowhere, as it follows from the device's secret.
 */
export function bootToken(deviceSecret: Buffer, bootId = readFileSync(BOOT_ID_FILE, 'utf8').trim()): string {
  const bytes = hkdfSync('sha256', deviceSecret, bootId, 'thinman/1/greeter', TOKEN_BYTES);
  return Buffer.from(bytes).toString('base64url');
}

/** What the kiosk's browser is started with. What stands after the # is sent to nobody. */
export const greeterUrl = (port: number, token: string) => `http://127.0.0.1:${port}/#${token}`;
