import type { BundleApplied, DeviceBundle } from '@thinman/protocol';
import type { AgentPaths } from '../config.ts';
import type { Clock } from '../ports.ts';
import type { OpenSession } from '../runtime/session-watch.ts';
import type { Applier } from './applier.ts';
import { openApplyState } from './apply-state.ts';
import { createApplying } from './applying.ts';
import { devicePolicyFile } from './device-policy-file.ts';
import { createHookAppliers } from './hooks/hook-appliers.ts';
import { runHook } from './hooks/run-hook.ts';
import { openMemoryFolder } from './memory-folder.ts';
import { createReporting } from './reporting.ts';
import type { Holding } from './sections.ts';
import { userPolicyFile } from './user-policy-file.ts';

export type ApplicationOptions = {
  readonly paths: Pick<AgentPaths, 'appliedDir' | 'hooksDir' | 'applyStateFile'>;
  readonly clock: Clock;
  readonly appliers?: readonly Applier[];
  readonly runtimeDir?: string;
  /** An event `bundle.applied`. */
  readonly record: (data: BundleApplied, user?: string) => void;
  readonly onDefect: (error: unknown) => void;
};

/** All that this device does with bundles: files, hooks, reports. Throws MemoryFolderUnfit. */
export function createApplication({ paths, clock, appliers = [], runtimeDir, record, onDefect }: ApplicationOptions) {
  const ending = new AbortController();
  const state = openApplyState(paths.applyStateFile, onDefect);
  const reporting = createReporting(state.told());
  const userFile = runtimeDir === undefined ? undefined : userPolicyFile(openMemoryFolder(runtimeDir));
  const hooks = createHookAppliers(paths.hooksDir, (hook, input) =>
    runHook(hook, input, { clock, signal: ending.signal }),
  );
  const files = [devicePolicyFile(paths.appliedDir), ...(userFile === undefined ? [] : [userFile])];
  const applying = createApplying({
    appliers: () => [...files, ...hooks(), ...appliers],
    clock,
    onResults(holding, results) {
      for (const { user, data } of reporting.after(holding, results)) {
        record(data, user);
        if (data.which === 'device') state.setTold({ etag: data.etag, sections: data.sections ?? {} });
      }
    },
  });
  let device: DeviceBundle | undefined;
  let session: OpenSession | null = null;

  function take(): void {
    if (device === undefined) return;
    const holding: Holding = { device, user: session?.bundle ?? null };
    applying.take(holding);
  }

  return {
    takeDevice(bundle: DeviceBundle): void {
      device = bundle;
      take();
    },
    takeSession(next: OpenSession | null): void {
      session = next;
      if (next === null) userFile?.forget();
      else if (next.isKnown) reporting.known(next.bundle.etag);
      take();
    },
    async stop(): Promise<void> {
      ending.abort();
      userFile?.forget();
      await applying.stop();
      userFile?.forget();
    },
  };
}
