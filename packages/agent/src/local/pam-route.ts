import type { IncomingMessage, ServerResponse } from 'node:http';
import { LocalPamRequest, PAM_PLACE_HEADER, visible } from '@thinman/protocol';
import { agentPaths } from '../config.ts';
import type { ConnectionRoom } from './connection-room.ts';
import type { createFailureLimit } from './failure-limit.ts';
import { sendText, takeBody } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import type { UnixAccountSettings } from './local-settings.ts';
import type { PamTime } from './pam-service.ts';

const PASSWD_FILE = '/etc/passwd';
const YES = 200;
const NO = 403;

/** `POST /v1/pam`, for the helper of pam_exec (`packages/agent/pam`). What is behind it is loaded when it is first asked. */
export function createPamRoute(options: {
  readonly dataDir: string;
  readonly agent: LocalAgent;
  readonly unixAccounts?: UnixAccountSettings | undefined;
  readonly passwdFile?: string;
  readonly onTrouble?: (error: unknown) => void;
  readonly after?: PamTime['after'];
}) {
  const { agent, unixAccounts, passwdFile = PASSWD_FILE, onTrouble = () => {}, after = later } = options;
  const { uidsFile } = agentPaths(options.dataDir);
  const load = async () => {
    const [{ createPamService }, { createUnixAccounts }] = await Promise.all([
      import('./pam-service.ts'),
      import('./unix-accounts.ts'),
    ]);
    return createPamService(agent, createUnixAccounts(unixAccounts, { uidsFile, passwdFile }), onTrouble, { after });
  };
  let service: ReturnType<typeof load> | undefined;

  /** `limit`: of the socket that anybody may open. */
  return async (
    request: IncomingMessage,
    response: ServerResponse,
    room: ConnectionRoom,
    limit?: ReturnType<typeof createFailureLimit>,
  ): Promise<void> => {
    const body = await takeBody(LocalPamRequest, request, response);
    if (body === undefined) return;
    room.isServed(response);
    service ??= load();
    const said = request.headers[PAM_PLACE_HEADER];
    const place = typeof said === 'string' ? said : '';
    const isGone = () => response.destroyed;
    const { yes, text } = await (await service)(body, { place, isGone, ...(limit !== undefined && { limit }) });
    // A terminal shows it: what a server warns of must not drive it.
    sendText(response, visible(text), yes ? YES : NO);
  };
}

const later: PamTime['after'] = (delayMs, action) => {
  const timer = setTimeout(action, delayMs).unref();
  return () => clearTimeout(timer);
};
