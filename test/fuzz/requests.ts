import {
  AcceptDatabaseAnswer,
  AcceptDatabaseRequest,
  ActivityReport,
  AdminLoginAnswer,
  AdminLoginRequest,
  AgentStatus,
  ApplyAnswer,
  ApplyRequest,
  ApproveRequest,
  CaAnswer,
  CaStatus,
  CaStepAnswer,
  CaStepRequest,
  ConnectionRequest,
  ConnectionStatus,
  DeleteAnswer,
  DeploymentList,
  DeploymentPage,
  DeviceBundle,
  DeviceChangedAnswer,
  DeviceTokenRequest,
  DiffAnswer,
  DirectoryTestAnswer,
  DirectoryTestRequest,
  EffectiveAnswer,
  EmergencyCodeAnswer,
  EmergencyCodeRequest,
  EnrollAnswer,
  EnrollRequest,
  EventBatch,
  EventBatchAnswer,
  EventPage,
  FilePruneAnswer,
  FilePutAnswer,
  FilePutRequest,
  ForkReport,
  HistoryAnswer,
  IfAppliedAnswer,
  IfAppliedRequest,
  JoinAnswer,
  JoinRequest,
  LOCAL_PATHS,
  LocalLoginRequest,
  LocalPamRequest,
  LocalUnlockRequest,
  LoginBeginAnswer,
  LoginBeginRequest,
  LoginGranted,
  LoginRequest,
  LoginResult,
  LogoutAnswer,
  OBJECT_KINDS,
  ObjectName,
  ObjectOutput,
  ObjectPage,
  OfflineUsersAnswer,
  PasswordChanged,
  PasswordChangeRequest,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  PromotionAnswer,
  PromotionLookRequest,
  PromotionReport,
  PromotionRequest,
  PublicAgentStatus,
  PutRequest,
  RenewAnswer,
  RenewRequest,
  ReplaceRequest,
  RollbackAnswer,
  RollbackRequest,
  RolloutAnswer,
  ServerReport,
  ServerStatus,
  SessionRefreshed,
  SessionsAnswer,
  SessionView,
  StatementAnswer,
  TokenAnswer,
  TokenRequest,
  UnknownDevicesAnswer,
  UserActAnswer,
  UserActRequest,
  UserBundle,
  UserShown,
  VouchRequest,
  WipeRequest,
} from '@thinman/protocol';
import fc, { type Arbitrary } from 'fast-check';
import Type, { type TSchema } from 'typebox';
import { anyText, NAMES } from './strings.ts';
import { bodiesOf, HOSTILE, valuesOf } from './values.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
export type FuzzRequest = {
  readonly method: Method;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
};

/** A route with what it takes and what it answers when all is well. */
export type Route = {
  readonly method: Method;
  /** `:kind` and `:name` stand for parts that vary. */
  readonly path: string;
  readonly query?: readonly string[];
  readonly body?: TSchema;
  /** `text`: not JSON. */
  readonly answer: TSchema | 'text';
};

export const DEVICE_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/ca', answer: CaAnswer },
  { method: 'POST', path: '/v1/enroll', body: EnrollRequest, answer: EnrollAnswer },
  { method: 'POST', path: '/v1/renew', body: RenewRequest, answer: RenewAnswer },
  { method: 'GET', path: '/v1/device/bundle', answer: DeviceBundle },
  { method: 'GET', path: '/v1/files/:hash', answer: 'text' },
  { method: 'POST', path: '/v1/login/begin', body: LoginBeginRequest, answer: LoginBeginAnswer },
  { method: 'POST', path: '/v1/login', body: LoginRequest, answer: LoginGranted },
  { method: 'POST', path: '/v1/password', body: PasswordChangeRequest, answer: PasswordChanged },
  { method: 'GET', path: '/v1/user/bundle', answer: UserBundle },
  { method: 'POST', path: '/v1/session', answer: SessionRefreshed },
  { method: 'POST', path: '/v1/session/vouch', body: VouchRequest, answer: LoginGranted },
  { method: 'POST', path: '/v1/logout', answer: LogoutAnswer },
  { method: 'POST', path: '/v1/events', body: EventBatch, answer: EventBatchAnswer },
];

export const JOIN_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/v1/join', body: JoinRequest, answer: JoinAnswer },
  { method: 'POST', path: '/v1/renew-server', body: RenewRequest, answer: RenewAnswer },
  { method: 'GET', path: '/v1/statement', query: ['epoch'], answer: StatementAnswer },
];

export const HEALTH_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/healthz', answer: Type.Object({ alive: Type.Boolean() }) },
  { method: 'GET', path: '/readyz', answer: ServerStatus },
  { method: 'GET', path: '/metrics', answer: 'text' },
];

/** Of the agent's own sockets; `events` does not end, and has a target of its own. */
export const CONTROL_ROUTES: readonly Route[] = [
  { method: 'GET', path: LOCAL_PATHS.status, answer: AgentStatus },
  { method: 'POST', path: LOCAL_PATHS.login, body: LocalLoginRequest, answer: LoginResult },
  { method: 'POST', path: LOCAL_PATHS.logout, answer: Type.Object({}) },
  { method: 'POST', path: LOCAL_PATHS.pam, body: LocalPamRequest, answer: 'text' },
  { method: 'POST', path: LOCAL_PATHS.activity, body: ActivityReport, answer: Type.Object({}) },
  { method: 'POST', path: LOCAL_PATHS.lock, answer: Type.Object({}) },
  { method: 'POST', path: LOCAL_PATHS.unlock, body: LocalUnlockRequest, answer: LoginResult },
  { method: 'GET', path: LOCAL_PATHS.session, answer: SessionView },
  { method: 'POST', path: LOCAL_PATHS.connect, body: ConnectionRequest, answer: ConnectionStatus },
  { method: 'POST', path: LOCAL_PATHS.disconnect, body: ConnectionRequest, answer: ConnectionStatus },
];
export const LOGIN_ROUTES: readonly Route[] = [
  { method: 'GET', path: LOCAL_PATHS.status, answer: PublicAgentStatus },
  { method: 'POST', path: LOCAL_PATHS.login, body: LocalLoginRequest, answer: LoginResult },
  { method: 'POST', path: LOCAL_PATHS.pam, body: LocalPamRequest, answer: 'text' },
  { method: 'POST', path: LOCAL_PATHS.activity, body: ActivityReport, answer: Type.Object({}) },
  { method: 'POST', path: LOCAL_PATHS.lock, answer: Type.Object({}) },
  { method: 'POST', path: LOCAL_PATHS.unlock, body: LocalUnlockRequest, answer: LoginResult },
];

/** Objects as `apply` takes them: most with a body of their own kind. */
export const AnyObject = Type.Union(
  Object.entries(OBJECT_KINDS).map(([kind, body]) =>
    Type.Object({ kind: Type.Literal(kind), name: ObjectName, body, generation: Type.Optional(Type.Integer()) }),
  ),
);
const AnyApply = Type.Object({ ...ApplyRequest.properties, objects: Type.Array(AnyObject) });
const AnyPut = Type.Object({
  body: Type.Union(Object.values(OBJECT_KINDS)),
  generation: PutRequest.properties.generation,
});

export const ADMIN_ROUTES: readonly Route[] = [
  { method: 'POST', path: '/v1/admin/apply', body: AnyApply, answer: ApplyAnswer },
  { method: 'GET', path: '/v1/admin/objects/:kind', query: ['limit', 'after'], answer: ObjectPage },
  { method: 'GET', path: '/v1/admin/objects/:kind/:name', answer: ObjectOutput },
  { method: 'PUT', path: '/v1/admin/objects/:kind/:name', body: AnyPut, answer: ApplyAnswer },
  { method: 'DELETE', path: '/v1/admin/objects/:kind/:name', query: ['generation'], answer: DeleteAnswer },
  { method: 'GET', path: '/v1/admin/history/:kind/:name', query: ['limit'], answer: HistoryAnswer },
  { method: 'POST', path: '/v1/admin/tokens', body: TokenRequest, answer: TokenAnswer },
  { method: 'POST', path: '/v1/admin/tokens', body: DeviceTokenRequest, answer: TokenAnswer },
  { method: 'GET', path: '/v1/admin/effective', query: ['device', 'user'], answer: EffectiveAnswer },
  { method: 'POST', path: '/v1/admin/effective', body: IfAppliedRequest, answer: IfAppliedAnswer },
  { method: 'GET', path: '/v1/admin/events', query: ['limit', 'before', 'type', 'user'], answer: EventPage },
  { method: 'GET', path: '/v1/admin/status', answer: ServerReport },
  { method: 'POST', path: '/v1/admin/rollback', body: RollbackRequest, answer: RollbackAnswer },
  { method: 'POST', path: '/v1/admin/emergency-code', body: EmergencyCodeRequest, answer: EmergencyCodeAnswer },
  { method: 'GET', path: '/v1/admin/sessions', answer: SessionsAnswer },
  { method: 'GET', path: '/v1/admin/offline-users', query: ['device', 'user'], answer: OfflineUsersAnswer },
  { method: 'GET', path: '/v1/admin/users/show', query: ['user'], answer: UserShown },
  { method: 'POST', path: '/v1/admin/directories/test', body: DirectoryTestRequest, answer: DirectoryTestAnswer },
  { method: 'POST', path: '/v1/admin/users/unlock', body: UserActRequest, answer: UserActAnswer },
  { method: 'POST', path: '/v1/admin/users/end-sessions', body: UserActRequest, answer: UserActAnswer },
  { method: 'PUT', path: '/v1/admin/files/:name', body: FilePutRequest, answer: FilePutAnswer },
  { method: 'POST', path: '/v1/admin/files/prune', answer: FilePruneAnswer },
  { method: 'POST', path: '/v1/admin/rollouts/:name/:act', answer: RolloutAnswer },
  { method: 'GET', path: '/v1/admin/deployments', query: ['limit', 'before'], answer: DeploymentList },
  { method: 'GET', path: '/v1/admin/deployments/:generation', query: ['limit', 'after'], answer: DeploymentPage },
  { method: 'GET', path: '/v1/admin/diff', query: ['from', 'to'], answer: DiffAnswer },
  { method: 'GET', path: '/v1/admin/unknown-devices', answer: UnknownDevicesAnswer },
  { method: 'POST', path: '/v1/admin/devices/approve', body: ApproveRequest, answer: DeviceChangedAnswer },
  { method: 'POST', path: '/v1/admin/devices/replace', body: ReplaceRequest, answer: DeviceChangedAnswer },
  { method: 'POST', path: '/v1/admin/devices/wipe', body: WipeRequest, answer: DeviceChangedAnswer },
  { method: 'POST', path: '/v1/admin/drain', answer: ServerStatus },
  { method: 'POST', path: '/v1/admin/login', body: AdminLoginRequest, answer: AdminLoginAnswer },
  { method: 'POST', path: '/v1/admin/logout', answer: Type.Object({}) },
];

/** On the local admin socket alone. */
export const CA_ROUTES: readonly Route[] = [
  { method: 'GET', path: '/v1/admin/ca', answer: CaStatus },
  { method: 'POST', path: '/v1/admin/ca/begin', body: CaStepRequest, answer: CaStepAnswer },
  { method: 'POST', path: '/v1/admin/ca/switch', body: CaStepRequest, answer: CaStepAnswer },
  { method: 'POST', path: '/v1/admin/ca/finish', body: CaStepRequest, answer: CaStepAnswer },
  { method: 'GET', path: '/v1/admin/fork', answer: ForkReport },
  { method: 'POST', path: '/v1/admin/fork/accept', body: AcceptDatabaseRequest, answer: AcceptDatabaseAnswer },
  { method: 'POST', path: '/v1/admin/promotion/look', body: PromotionLookRequest, answer: PromotionReport },
  { method: 'POST', path: '/v1/admin/promotion', body: PromotionRequest, answer: PromotionAnswer },
];

const HOSTILE_TEXTS = HOSTILE.filter(value => typeof value === 'string').map(text => text.slice(0, 3_000));

const texts = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...NAMES, ...Object.keys(OBJECT_KINDS)) },
  { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_TEXTS) },
  { weight: 1, arbitrary: anyText() },
  { weight: 1, arbitrary: valuesOf(ObjectName).map(String) },
  { weight: 1, arbitrary: fc.integer().map(String) },
  { weight: 2, arbitrary: fc.nat(300).map(String) },
);

/** As it may stand in a URL; now and then not escaped as it should be. */
const parts = fc.tuple(texts, fc.nat(9)).map(([text, how]) => {
  if (how === 0) return text.replaceAll(/[^!-~]|[?#]/gu, '%').slice(0, 200);
  return encodeURIComponent(text.toWellFormed());
});

/** What Node's client sends at all: its own rules for headers hold before any server sees them. */
const headerText = (text: string) => text.replaceAll(/[^ -~]/gu, '?').slice(0, 5_000);

const headers = fc.record(
  {
    'content-type': fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/plain', 'a', '', '/'),
    authorization: texts.map(text => headerText(`Bearer ${text}`)),
    'if-none-match': texts.map(headerText),
    [PROTOCOL_HEADER]: texts.map(headerText),
    'accept-encoding': fc.constant('gzip'),
    expect: fc.constant('100-continue'),
  },
  { requiredKeys: [] },
);

/** Requests that fit these routes, nearly fit them, or do not. `session`: what makes the caller somebody. */
export function requestsTo(
  routes: readonly Route[],
  session: Readonly<Record<string, string>> = {},
): Arbitrary<FuzzRequest> {
  const usual = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION), 'content-type': 'application/json', ...session };
  const allHeaders = fc.oneof(
    { weight: 5, arbitrary: fc.constant(usual) },
    { weight: 2, arbitrary: headers.map(odd => ({ ...usual, ...odd })) },
    { weight: 1, arbitrary: headers },
  );
  return fc.oneof(...routes.map(route => requestsToOne(route, allHeaders)));
}

function requestsToOne(
  { method, path, query = [], body }: Route,
  allHeaders: Arbitrary<Record<string, string>>,
): Arbitrary<FuzzRequest> {
  const kinds = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...Object.keys(OBJECT_KINDS)) },
    { weight: 1, arbitrary: parts },
  );
  const queries = fc.record(Object.fromEntries([...query, 'x'].map(name => [name, parts])), { requiredKeys: [] });
  const bodies = fc.option(body === undefined ? bodiesOf(undefined) : bodiesOf(body), {
    nil: undefined,
    freq: body === undefined ? 2 : 30,
  });
  const methods = fc.oneof(
    { weight: 20, arbitrary: fc.constant(method) },
    { weight: 1, arbitrary: fc.constantFrom<Method>('GET', 'POST', 'PUT', 'DELETE') },
  );
  return fc
    .record({ method: methods, kind: kinds, name: parts, query: queries, headers: allHeaders, body: bodies })
    .map(({ method, kind, name, query, headers, body }) => {
      const search = Object.entries(query).map(([key, value]) => `${key}=${value}`);
      const whole = path.replace(':kind', () => kind).replace(/:(name|hash|act|generation)/g, () => name);
      return {
        method,
        path: search.length === 0 ? whole : `${whole}?${search.join('&')}`,
        headers,
        body: method === 'GET' ? undefined : body,
      };
    });
}
