import { LocalEmergencyRequest } from '@thinman/protocol';
import { sendJson, sendProblem } from './http-json.ts';
import type { LocalAgent } from './local-agent.ts';
import { type Called, tryRoute } from './try-route.ts';

/** `POST /v1/emergency`: a challenge for the helpdesk, or the code that it gave. Wrong codes count like wrong passwords. */
export function emergencyRoute(agent: Pick<LocalAgent, 'emergency'>, called: Called): Promise<void> {
  return tryRoute(LocalEmergencyRequest, called, {
    run: async ({ user, code }) => agent.emergency(user, code),
    failed: ({ kind }) => kind === 'refused',
    tell(result) {
      if (result.kind === 'answer') return sendJson(called.response, result.answer);
      const { code: why, detail } = result;
      sendProblem(called.response, why, detail === undefined ? {} : { detail });
    },
  });
}
