import {
  CHANNEL_PATH,
  EnrollRequest,
  EventBatch,
  formatVersion,
  KNOWN_SUBJECT_HEADER,
  LoginBeginRequest,
  LoginRequest,
  PasswordChangeRequest,
  PROVED_SESSION_HEADER,
  parseVersion,
  RenewRequest,
  SESSION_BEGAN_HEADER,
  type UserBody,
  VERSION_HEADER,
  VouchRequest,
} from '@thinman/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpApp } from '../http/codec.ts';
import { type Outcome, refused, refusingTrouble } from '../http/outcome.ts';
import { devicePeer, isExpiredOfSite } from '../http/peer.ts';
import { sendProblemDocument } from '../http/problems.ts';
import { requireProtocol } from '../http/protocol-check.ts';
import type { UpgradeHandler } from '../http/upgrades.ts';
import { emergencyKeyText } from '../identity/emergency.ts';
import type { StoredObject } from '../ports.ts';
import { createBundles, type DeviceContent, type UserContent } from './bundles.ts';
import { createChannelUpgrade } from './channel/channel-upgrade.ts';
import { type Channels, type ConnectedDevice, createChannels } from './channel/channels.ts';
import type { DeviceDeps } from './device-deps.ts';
import { checkDevice, createDeviceGate, stateRefusal } from './device-gate.ts';
import { createDirectoryAccounts } from './directory-accounts.ts';
import { createDirectoryPersons } from './directory-persons.ts';
import { isDirectoryUser } from './directory-user.ts';
import { createEnrolment } from './enrolment.ts';
import { noneMatch } from './etag.ts';
import { createEventIntake } from './event-intake.ts';
import { fileRoute } from './file-route.ts';
import { forgetGoneDevices } from './gone-devices.ts';
import { createLogin } from './login.ts';
import { createLoginBegin } from './login-begin.ts';
import { createLoginGuard, type Lockout } from './login-guard.ts';
import { createPasswordChange } from './password-change.ts';
import { createSessionBook, type SessionBook } from './session-book.ts';
import { momentOf, type ProvedSession } from './session-gate.ts';
import { createSessions } from './sessions.ts';
import { createTurnstile } from './turnstile.ts';
import { createVouch } from './vouch.ts';

const NOT_MODIFIED = 304;
/** A line that one device has filled is over in a few turns; it asks without waiting for answers. */
const LINE_RETRY_AFTER_MS = 1_000;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const UNIX_MS = /^\d{1,15}$/;
function provedSession({ headers }: FastifyRequest): ProvedSession | undefined {
  const loginId = headers[PROVED_SESSION_HEADER];
  if (typeof loginId !== 'string' || !UUID.test(loginId)) return undefined;
  const began = headers[SESSION_BEGAN_HEADER];
  // Agents of before do not say.
  const isSaid = typeof began === 'string' && UNIX_MS.test(began);
  return { loginId, beganMs: isSaid ? Number(began) : momentOf(loginId) };
}

/** Everything that devices ask of a server, over HTTPS and over their channels. */
export type DevicePlane = {
  /** Register it without a prefix. */
  readonly routes: (app: HttpApp) => Promise<void>;
  /** For upgrades on `channelPath`. */
  readonly upgrade: UpgradeHandler;
  readonly channelPath: typeof CHANNEL_PATH;
  connectedDevices(): readonly ConnectedDevice[];
  connectedCount(): number;
  /** Who works where. */
  readonly book: SessionBook;
  /** Who could log in where without a server. */
  readonly holdings: Channels['holdings'];
  /** Where this user, by any form of the name, is refused now because of failed logins. */
  lockouts(user: string): readonly Lockout[];
  /** ETag of the bundle that this device would be given now. */
  currentEtag(device: StoredObject): string;
  /** The server's state or the statement has changed: devices are told. */
  announce(): void;
  /** These sessions are over, and that is written down: their devices are told. */
  sessionsEnded(loginIds: readonly string[]): void;
  /** A planned stop: devices move if they can. */
  goaway(): void;
  close(): void;
};

export function createDevicePlane(deps: DeviceDeps, randomUuid: () => string): DevicePlane {
  const gate = createDeviceGate(deps);
  const bundles = createBundles(deps.site, deps.replica, deps.dataKey.open, device =>
    emergencyKeyText(deps.dataKey, device),
  );
  const guard = createLoginGuard(deps);
  const accounts = createDirectoryAccounts(deps);
  const persons = createDirectoryPersons(deps);
  const takeEvents = createEventIntake(deps);
  const book: SessionBook = createSessionBook({
    name: deps.identity.name,
    clock: deps.clock,
    isConnected: deviceId => channels.isConnected(deviceId),
    isEnded: deps.journal.isEnded,
  });
  const stopForgetting = forgetGoneDevices(deps.replica, book);
  const channels = createChannels(deps, bundles, takeEvents, accounts, (device, mode, session) => {
    if (session === null) return book.closed(device.uid);
    const { loginId, userId } = session;
    // It was not there when that was told.
    if (deps.journal.isEnded(loginId)) return channels.sessionsEnded([loginId]);
    const user = (deps.replica.findByUid('User', userId) ?? accounts.user(userId))?.name ?? session.user ?? null;
    const sinceMs = Math.min(momentOf(loginId), deps.clock.nowMs());
    book.opened({ deviceId: device.uid, device: device.name, userId, user, loginId, mode, sinceMs }, 'device');
  });
  const channel = createChannelUpgrade(deps, gate, {
    ...channels,
    dropSilent(silenceMs) {
      channels.dropSilent(silenceMs);
      // Looked at now and then, it notes who is still here, and lets go of who has not been for long.
      book.all();
    },
  });
  const enrolment = createEnrolment(deps, randomUuid);
  const login = createLogin(deps, bundles, guard, { accounts, persons }, book);
  const vouch = createVouch(deps, bundles, { accounts, persons }, book);
  const changePassword = createPasswordChange(deps, guard, persons);
  const loginBegin = createLoginBegin(deps, guard, persons);
  const sessions = createSessions(deps, accounts, bundles, book);

  const answer = (reply: FastifyReply, outcome: Outcome<unknown>): FastifyReply => {
    reply.header('cache-control', 'no-store');
    if (outcome.ok) return reply.send(outcome.value);
    return sendProblemDocument(reply, { serverTime: deps.clock.nowMs(), ...outcome.problem });
  };

  const sendBundle = (request: FastifyRequest, reply: FastifyReply, content: DeviceContent | UserContent) => {
    const bundle = bundles.versioned(content);
    reply.header('etag', `"${content.etag}"`).header(VERSION_HEADER, formatVersion(bundle.version));
    if (!noneMatch(request.headers['if-none-match'], content.etag)) return reply.code(NOT_MODIFIED).send();
    return reply.header('cache-control', 'no-store').send(bundle);
  };

  /** Without a client certificate: enrolment, and what comes before it. */
  async function openRoutes(app: HttpApp): Promise<void> {
    app.get('/v1/ca', async () => ({ certificates: deps.identity.caCertificates }));
    app.post('/v1/enroll', { schema: { body: EnrollRequest }, onRequest: requireProtocol }, async (request, reply) => {
      const refusal = stateRefusal(deps.state());
      return answer(reply, refusal ?? (await refusingTrouble(() => enrolment.enroll(request.body))));
    });
    // An expired certificate may renew, nothing else.
    app.post('/v1/renew', { schema: { body: RenewRequest }, onRequest: requireProtocol }, async (request, reply) => {
      const refusal = stateRefusal(deps.state());
      if (refusal !== undefined) return answer(reply, refusal);
      const { socket } = request.raw;
      const accepted = isExpiredOfSite(socket, deps.identity.caCertificates) ? 'valid_or_expired' : 'valid';
      const checked = checkDevice(deps.replica, devicePeer(socket), accepted);
      if (!checked.ok) return answer(reply, checked);
      return answer(reply, await refusingTrouble(() => enrolment.renew(checked.value, request.body.csr)));
    });
  }

  async function deviceRoutes(app: HttpApp): Promise<void> {
    app.addHook('onRequest', requireProtocol);
    app.addHook('onRequest', gate.onRequest);

    app.get('/v1/device/bundle', async (request, reply) => {
      const device = gate.deviceOf(request);
      const content = bundles.device(device);
      channels.served(device.uid, undefined, content.etag);
      return sendBundle(request, reply, content);
    });
    fileRoute(app, deps.files, answer);
    app.post('/v1/login/begin', { schema: { body: LoginBeginRequest } }, async (request, reply) =>
      answer(reply, loginBegin(gate.deviceOf(request), request.body)),
    );
    app.post('/v1/password', { schema: { body: PasswordChangeRequest } }, async (request, reply) => {
      const known = request.headers[KNOWN_SUBJECT_HEADER];
      const version = typeof known === 'string' ? parseVersion(known) : undefined;
      return answer(reply, await changePassword(gate.deviceOf(request), request.body, version));
    });
    app.get('/v1/user/bundle', async (request, reply) => {
      const device = gate.deviceOf(request);
      const checked = await sessions.check(device, request.headers.authorization);
      if (!checked.ok) return answer(reply, checked);
      const { user } = checked.value;
      const content = bundles.user(device, user);
      channels.served(device.uid, user.uid, content.etag);
      return sendBundle(request, reply, content);
    });
    app.post('/v1/logout', async (request, reply) => {
      const ended = await sessions.end(gate.deviceOf(request), request.headers.authorization);
      return answer(reply, { ok: true, value: { ended } });
    });
    app.post('/v1/events', { schema: { body: EventBatch } }, async (request, reply) =>
      answer(reply, await takeEvents(gate.deviceOf(request), request.body)),
    );
  }

  /** What takes signatures. Who is nobody here is refused at once, and keeps no device waiting. */
  async function dearRoutes(app: HttpApp): Promise<void> {
    const turnstile = createTurnstile();
    app.addHook('onRequest', requireProtocol);
    app.addHook('onRequest', gate.onRequest);
    app.addHook('onRequest', (request, reply, go) => {
      if (turnstile.pass(gate.deviceOf(request).uid, go)) return;
      answer(reply, refused('overloaded', { retryAfterMs: LINE_RETRY_AFTER_MS }));
    });
    // Once more: nothing rests on what was so before the wait.
    app.addHook('onRequest', gate.onRequest);

    app.post('/v1/login', { schema: { body: LoginRequest } }, async (request, reply) => {
      const device = gate.deviceOf(request);
      const known = request.headers[KNOWN_SUBJECT_HEADER];
      const outcome = await login(
        device,
        request.body,
        typeof known === 'string' ? parseVersion(known) : undefined,
        provedSession(request),
      );
      if (outcome.ok && 'user' in outcome.value.bundle) {
        channels.served(device.uid, outcome.value.bundle.user.id, outcome.value.bundle.etag);
      }
      return answer(reply, outcome);
    });
    app.post('/v1/session', async (request, reply) =>
      answer(reply, await sessions.refresh(gate.deviceOf(request), request.headers.authorization)),
    );
    app.post('/v1/session/vouch', { schema: { body: VouchRequest } }, async (request, reply) =>
      answer(reply, await vouch(gate.deviceOf(request), request.body, provedSession(request))),
    );
  }

  return {
    async routes(app) {
      await openRoutes(app);
      await app.register(deviceRoutes);
      await app.register(dearRoutes);
    },
    upgrade: channel.handle,
    channelPath: CHANNEL_PATH,
    connectedDevices: channels.connected,
    connectedCount: channels.count,
    book,
    holdings: channels.holdings,
    lockouts(user) {
      if (isDirectoryUser(deps, user)) {
        const { key, also, unlockedAt } = persons.of(user);
        return guard.lockouts(key, unlockedAt, also);
      }
      const body = deps.replica.get('User', user)?.body as UserBody | undefined;
      return guard.lockouts(user, body?.unlockedAt);
    },
    currentEtag: device => bundles.device(device).etag,
    announce: channels.announce,
    sessionsEnded: channels.sessionsEnded,
    goaway: channels.goaway,
    close() {
      stopForgetting();
      channels.stop();
      channel.stop();
    },
  };
}
