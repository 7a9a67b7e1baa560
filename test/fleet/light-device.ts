import { randomUUID } from 'node:crypto';
import type { DeviceBundle, LoginResult, SiteStatement } from '@thinman/protocol';
import { createChannelConnector } from '../../packages/agent/src/adapters/channel.ts';
import { createHasher, type DeriveBase } from '../../packages/agent/src/adapters/hasher.ts';
import { createServerClient } from '../../packages/agent/src/adapters/http-client.ts';
import { createRoundTrips } from '../../packages/agent/src/adapters/round-trips.ts';
import { createSealing } from '../../packages/agent/src/adapters/sealing.ts';
import type {
  ChannelConnector,
  ChannelHandle,
  DeviceIdentity,
  IdentityStore,
  StatementVerifier,
} from '../../packages/agent/src/ports.ts';
import { createRunner } from '../../packages/agent/src/runtime/runner.ts';
import { emptyDevice, memoryCache } from '../support/memory-cache.ts';
import { patientClock } from './patient-clock.ts';

/** What the devices of one process share. */
export type SharedParts = {
  readonly derive: DeriveBase;
  readonly verifyStatement: StatementVerifier;
  readonly statement: SiteStatement;
  /** Each event that a device writes down, by its type. */
  readonly onEvent?: (device: string, type: string) => void;
  readonly onBundle?: (device: string, bundle: DeviceBundle) => void;
  readonly onDefect: (error: unknown) => void;
};

/**
 * A thin client without a machine of its own: the agent's real core, runner, HTTP client and channel, with its store in
 * memory, its identity in no file, and passwords that are derived once for all. What it does when servers fail is therefore
 * what the product does.
 */
export type LightDevice = {
  readonly name: string;
  start(): void;
  stop(): Promise<void>;
  login(user: string, password: string): Promise<LoginResult>;
  logout(): void;
  /** Hangs up, as if the line had been cut: it looks for a server at once. */
  disconnect(): void;
  /** The server that holds its channel. */
  server(): string | undefined;
  /** Neither a login nor another change of servers is under way. */
  isIdle(): boolean;
  pendingEvents(): number;
};

export function createLightDevice(identity: DeviceIdentity, shared: SharedParts): LightDevice {
  const { derive, verifyStatement, statement, onDefect } = shared;
  const { name } = identity;
  const cache = memoryCache(emptyDevice());
  const roundTrips = createRoundTrips();
  const client = createServerClient({ clock: patientClock, identity: () => identity, roundTrips });
  const who = { clock: patientClock, random: Math.random, identity: () => identity };
  const channels = held(createChannelConnector({ ...who, roundTrips }));
  const runner = createRunner({
    ...{ identity, identityStore: nowhere(identity), client, channels: channels.connector, statement, onDefect },
    ...{ sealing: SEALING, clock: patientClock, random: Math.random, uuid: randomUUID, verifyStatement },
    agentVersion: 'fleet',
    hasher: createHasher(identity, derive),
    cache: {
      ...cache,
      appendEvent(event, when) {
        cache.appendEvent(event, when);
        shared.onEvent?.(name, event.type);
      },
    },
    onDeviceBundle: bundle => shared.onBundle?.(name, bundle),
  });
  return {
    name,
    start: runner.start,
    async stop() {
      runner.stop();
      await client.close();
    },
    login: runner.login,
    logout: runner.logout,
    disconnect() {
      client.reset();
      channels.close();
    },
    server() {
      const { connectivity } = runner.state();
      return connectivity.kind === 'connected' ? connectivity.server : undefined;
    },
    isIdle() {
      const { connectivity, login } = runner.state();
      return login === null && connectivity.kind === 'connected' && connectivity.move.kind === 'none';
    },
    pendingEvents: () => cache.pendingEventCount(),
  };
}

const SEALING = createSealing();

/** The connector, and how to hang up what it opened. */
function held(connector: ChannelConnector): { readonly connector: ChannelConnector; close(): void } {
  const open = new Set<ChannelHandle>();
  return {
    connector: {
      ...connector,
      open(server, connectDeadlineMs, pingIntervalMs, listener) {
        const handle = connector.open(server, connectDeadlineMs, pingIntervalMs, {
          ...listener,
          onClosed(why) {
            open.delete(handle);
            listener.onClosed(why);
          },
        });
        open.add(handle);
        return handle;
      },
    },
    close() {
      for (const handle of open) handle.close();
    },
  };
}

function nowhere(identity: DeviceIdentity): IdentityStore {
  return {
    load: () => identity,
    save() {},
    saveCertificate() {},
    saveCaCertificates() {},
    loadStatement: () => undefined,
    saveStatement() {},
  };
}
