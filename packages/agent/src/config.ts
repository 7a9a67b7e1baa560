import { join, resolve } from 'node:path';
import { makeFolder } from './make-folder.ts';

/** What lies where in an agent's data folder. */
export type AgentPaths = {
  readonly dataDir: string;
  /** Identity: 0700, files of its own, apart from the cache. */
  readonly identityDir: string;
  readonly cacheFile: string;
  /** In its place while the device's secret cannot be opened: nothing in it outlives the agent. */
  readonly interimCacheFile: string;
  /** 0600: whoever may open it speaks for the device's administrator. */
  readonly controlSocket: string;
  /** 0666: login and public state, for greeters and lockers. */
  readonly loginSocket: string;
  /** Held by the one agent that uses the folder. */
  readonly lockFile: string;
  /** What this one machine has set (`local/local-settings.ts`); written by its administrator. */
  readonly localSettingsFile: string;
  /** Which Unix uid each user has on this device, for good. */
  readonly uidsFile: string;
  /** 0755: what other programs may read. */
  readonly appliedDir: string;
  /** Executables that apply sections (docs/devices.md); it need not be there. */
  readonly hooksDir: string;
  /** Who works here, for an agent that is started again. */
  readonly sessionFile: string;
  /** Where servers last answered. */
  readonly addressFile: string;
  /** 0755: files that policies name, by their hash. */
  readonly filesDir: string;
  /** What was tried, confirmed and told of policies. */
  readonly applyStateFile: string;
  /** 0700: the agent's code as it was compiled at the last start. May go at any time. */
  readonly compiledDir: string;
};

/** Others may pass through, to `login.sock` and `applied/`, but not list. An administrator may close it (0700). */
const DATA_DIR_MODE = 0o711;
const IDENTITY_DIR_MODE = 0o700;
const APPLIED_DIR_MODE = 0o755;

export function agentPaths(dataDir: string): AgentPaths {
  const dir = resolve(dataDir);
  return {
    dataDir: dir,
    identityDir: join(dir, 'identity'),
    cacheFile: join(dir, 'cache.db'),
    interimCacheFile: join(dir, 'cache-interim.db'),
    controlSocket: join(dir, 'control.sock'),
    loginSocket: join(dir, 'login.sock'),
    lockFile: join(dir, 'lock'),
    localSettingsFile: join(dir, 'local.json'),
    uidsFile: join(dir, 'unix-uids.json'),
    appliedDir: join(dir, 'applied'),
    hooksDir: join(dir, 'apply.d'),
    sessionFile: join(dir, 'session.json'),
    addressFile: join(dir, 'server-addresses.json'),
    filesDir: join(dir, 'files'),
    applyStateFile: join(dir, 'apply-state.json'),
    compiledDir: join(dir, 'compiled'),
  };
}

/** Makes the folders that are missing; what is there keeps its mode. Throws as `node:fs` does. */
export function prepareDataFolder(dataDir: string): AgentPaths {
  const paths = agentPaths(dataDir);
  makeFolder(paths.dataDir, DATA_DIR_MODE);
  makeFolder(paths.identityDir, IDENTITY_DIR_MODE);
  makeFolder(paths.appliedDir, APPLIED_DIR_MODE);
  return paths;
}
