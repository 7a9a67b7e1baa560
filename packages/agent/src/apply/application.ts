import type { BundleApplied, Connection, DeviceBundle, SectionResults, SessionView } from '@thinman/protocol';
import type { AgentPaths } from '../config.ts';
import type { Clock, FileCache, Random } from '../ports.ts';
import type { OpenSession } from '../runtime/session-watch.ts';
import type { Applier } from './applier.ts';
import { openApplyState } from './apply-state.ts';
import { createApplying } from './applying.ts';
import { connectionApplier } from './connections/connection-applier.ts';
import { type ClientOptions, createStartClient, type StartClient } from './connections/start-client.ts';
import { createSupervisor } from './connections/supervisor.ts';
import { devicePolicyFile } from './device-policy-file.ts';
import { createFileAppliers, pathsOf } from './file-appliers.ts';
import { createHookAppliers } from './hooks/hook-appliers.ts';
import { runHook } from './hooks/run-hook.ts';
import { openMemoryFolder } from './memory-folder.ts';
import { createNetworkTrial } from './network-trial.ts';
import { createReporting } from './reporting.ts';
import { type Holding, usableConnections } from './sections.ts';
import { userPolicyFile } from './user-policy-file.ts';

const END_WITH_LAST = 'session.endWithLastConnection';

export type ApplicationOptions = {
  readonly paths: Pick<AgentPaths, 'appliedDir' | 'hooksDir' | 'applyStateFile'>;
  readonly clock: Clock;
  readonly fileCache: FileCache;
  readonly appliers?: readonly Applier[];
  readonly random: Random;
  readonly runtimeDir?: string;
  /** Default: no connection is opened by this agent. */
  readonly clients?: ClientOptions;
  /** The person closed the last connection, and the policy says that this ends the session. */
  readonly onLastClosed: () => void;
  /** Asks all servers over fresh connections whether any of them answers. */
  readonly anyServerAnswers: () => Promise<boolean>;
  /** An event `bundle.applied`. */
  readonly record: (data: BundleApplied, user?: string) => void;
  readonly onDefect: (error: unknown) => void;
  /** How connections stand has changed. */
  readonly onConnections?: () => void;
};

/** All that this device does with bundles: files, hooks, reports. Throws MemoryFolderUnfit. */
export function createApplication(options: ApplicationOptions) {
  const { paths, clock, random, appliers = [], runtimeDir, clients, record, onDefect } = options;
  const ending = new AbortController();
  const state = openApplyState(paths.applyStateFile, onDefect);
  const reporting = createReporting(state.told());
  const owner = clients?.user === undefined ? {} : { owner: clients.user };
  const folder = runtimeDir === undefined ? undefined : openMemoryFolder(runtimeDir, owner);
  const userFile = folder === undefined ? undefined : userPolicyFile(folder);
  const hooks = createHookAppliers(paths.hooksDir, (hook, input) =>
    runHook(hook, input, { clock, signal: ending.signal }),
  );
  const fetching = createFileAppliers(options.fileCache, clock, ending.signal);
  const files = [
    devicePolicyFile(paths.appliedDir, of => pathsOf(of, options.fileCache)),
    ...(userFile === undefined ? [] : [userFile]),
  ];
  const applying = createApplying({
    appliers: holding => [...fetching(holding), ...files, connectionApplier, ...hooks(), ...appliers],
    clock,
    onDefect,
    onResults(holding, results) {
      last = { holding, results };
      trial.applied(holding, results);
      report();
    },
  });
  const trial = createNetworkTrial({
    clock,
    record: state.network(),
    save: state.setNetwork,
    anyServerAnswers: options.anyServerAnswers,
    onForce: take,
    onDecided: report,
  });
  let last: { readonly holding: Holding; readonly results: SectionResults } | undefined;

  /** When it is known what becomes of everything. */
  function report(): void {
    if (last === undefined || trial.isUnderWay()) return;
    const { holding, results } = last;
    const failure = trial.failure();
    const told = failure === undefined ? results : { ...results, network: failure };
    for (const { user, data } of reporting.after(holding, told)) {
      record(data, user);
      if (data.which === 'device') state.setTold({ etag: data.etag, sections: data.sections ?? {} });
    }
  }

  let device: DeviceBundle | undefined;
  let session: OpenSession | null = null;

  const supervisor = createSupervisor({
    clock,
    random,
    start: clients === undefined ? startNone : createStartClient(clock, { ...clients, folder }),
    ...(options.onConnections !== undefined && { onChange: options.onConnections }),
    onLastClosed() {
      const settings = { ...device?.settings, ...session?.bundle.settings };
      if (settings[END_WITH_LAST] === true) options.onLastClosed();
    },
  });

  function take(): void {
    if (device === undefined) return;
    const user = session?.bundle ?? null;
    const holding: Holding = { device: trial.inForce(device), user };
    applying.take(holding);
    supervisor.take({
      user: session === null || user === null ? null : { id: session.userId, name: user.user.name },
      connections: clients === undefined ? usableConnections(holding).map(notByItself) : usableConnections(holding),
      settings: holding.device.settings,
      signOn: session?.signOn ?? (() => undefined),
    });
  }

  return {
    takeDevice(bundle: DeviceBundle): void {
      device = bundle;
      trial.take(bundle);
      take();
    },
    takeSession(next: OpenSession | null): void {
      session = next;
      if (next === null) userFile?.forget();
      else if (next.isKnown) reporting.known(next.bundle.etag);
      take();
    },
    /** Who works here, and what they can open. */
    view: (): SessionView => ({ user: session?.bundle.user.name ?? null, connections: [...supervisor.list()] }),
    connect: supervisor.connect,
    disconnect: supervisor.disconnect,
    async stop(): Promise<void> {
      const ended = supervisor.stop();
      ending.abort();
      trial.stop();
      userFile?.forget();
      await applying.stop();
      await ended;
      userFile?.forget();
    },
  };
}

/** Without a screen there is nothing to open by itself. */
const notByItself = (connection: Connection): Connection => ({ ...connection, autostart: false });

const startNone: StartClient = () => ({
  stop() {},
  ended: Promise.resolve({ kind: 'unfit', why: 'this agent opens no connections: start it with --display' }),
});
