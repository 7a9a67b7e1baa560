import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseJson, SignedStatement } from '@thinman/protocol';
import type { DeviceIdentity } from '../../packages/agent/src/ports.ts';

/** What all devices of a fleet share, and the devices. */
export type KeptIdentities = {
  readonly signed: SignedStatement | undefined;
  readonly identities: readonly DeviceIdentity[];
  /** Before devices are enrolled that could not be kept. Throws UnusableFolder. */
  makeReady(): void;
  /** Devices that were enrolled since: on the disk when this returns. Throws UnusableFolder. */
  add(identities: readonly DeviceIdentity[], signed: SignedStatement): void;
};

/** A folder that cannot keep a fleet's devices, in words for people. */
export class UnusableFolder extends Error {
  override readonly name = 'UnusableFolder';
}

/** Private keys of test devices: nobody else needs to read them. */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;
const MAX_STATEMENT_BYTES = 256 * 1024;

/**
 * `folder` undefined: nothing is kept. A line of JSON a device: ten thousand files would take longer than the enrolment. Throws
 * UnusableFolder, also when devices of two sites would come together.
 */
export function keepIdentities(folder: string | undefined): KeptIdentities {
  if (folder === undefined) return { signed: undefined, identities: [], makeReady() {}, add() {} };
  return inWords(folder, () => keepIn(folder));
}

function inWords<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof UnusableFolder) throw error;
    const why =
      error instanceof Error && 'code' in error ? error.message : 'it holds something else than this program left';
    throw new UnusableFolder(`--data ${folder} cannot be used (${why}): choose another folder`);
  }
}

function keepIn(folder: string): KeptIdentities {
  mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER });
  const devicesFile = join(folder, 'devices.jsonl');
  const statementFile = join(folder, 'statement.json');
  const { held, wholeBytes, tornBytes } = readDevices(devicesFile);
  const signed = readStatement(statementFile);
  // It is written before the first device.
  if (held.length > 0 && signed === undefined) throw new Error('devices without a statement of their site');
  return {
    signed,
    identities: held,
    makeReady() {
      inWords(folder, () => {
        closeSync(openSync(devicesFile, 'a', OWNER_ONLY));
        if (tornBytes > 0) truncateSync(devicesFile, wholeBytes);
      });
    },
    add(identities, signed) {
      if (identities.some(({ siteId }) => siteId !== (held[0]?.siteId ?? siteId))) {
        throw new UnusableFolder(
          `--data ${folder} holds devices of another site than the token's: choose another folder`,
        );
      }
      const lines = identities.map(
        identity => `${JSON.stringify({ ...identity, deviceSecret: secretOf(identity) })}\n`,
      );
      inWords(folder, () => {
        // Whole or not at all, also when this is killed, or another fleet enrols into this folder.
        const next = `${statementFile}.${process.pid}`;
        writeFileSync(next, JSON.stringify(signed), { mode: OWNER_ONLY });
        renameSync(next, statementFile);
        appendFileSync(devicesFile, lines.join(''), { mode: OWNER_ONLY });
      });
    },
  };
}

const secretOf = ({ deviceSecret }: DeviceIdentity) => deviceSecret.toString('base64url');

/** A last line without its end is torn, as a full disk leaves it: its device is not held, the others are. */
function readDevices(file: string) {
  if (!existsSync(file)) return { held: [], wholeBytes: 0, tornBytes: 0 };
  const bytes = readFileSync(file);
  const wholeBytes = bytes.lastIndexOf('\n') + 1;
  const held: readonly DeviceIdentity[] = bytes
    .toString('utf8', 0, wholeBytes)
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      // Written by this program alone, into a folder of its own.
      const kept = JSON.parse(line) as Omit<DeviceIdentity, 'deviceSecret'> & { readonly deviceSecret: string };
      return { ...kept, deviceSecret: Buffer.from(kept.deviceSecret, 'base64url') };
    });
  return { held, wholeBytes, tornBytes: bytes.length - wholeBytes };
}

function readStatement(file: string): SignedStatement | undefined {
  if (!existsSync(file)) return undefined;
  const parsed = parseJson(SignedStatement, readFileSync(file, 'utf8'), MAX_STATEMENT_BYTES);
  return parsed.ok ? parsed.value : undefined;
}
