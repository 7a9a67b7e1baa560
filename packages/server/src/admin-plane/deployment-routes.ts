import { FilePutRequest, MAX_PAGE_SIZE, parseValue } from '@thinman/protocol';
import type { AdminDeps } from './admin-deps.ts';
import { DEVICES_PER_PAGE, diffGenerations, listDeployments, showDeployment } from './deployment.ts';
import { pruneFiles, putFile } from './files.ts';
import { actOnRollout, isRolloutAct } from './rollout-acts.ts';
import { type AdminRoute, badRequest, text, wholeNumber } from './route.ts';

const DEPLOYMENTS_SHOWN = 20;
const MAX_GENERATION = Number.MAX_SAFE_INTEGER;

/** How changes reach devices: files, deployments, rollouts, what lies between two generations. */
export function deploymentRoutes(deps: AdminDeps): readonly AdminRoute[] {
  return [
    {
      method: 'PUT',
      url: '/files/:name',
      needs: 'owner',
      handle({ actor, params, body }) {
        const parsed = parseValue(FilePutRequest, body);
        return parsed.ok ? putFile(deps, actor, params.name ?? '', parsed.value) : badRequest(parsed.problems);
      },
    },
    { method: 'POST', url: '/files/prune', needs: 'owner', handle: ({ actor }) => pruneFiles(deps, actor) },
    {
      method: 'POST',
      url: '/rollouts/:name/:act',
      needs: 'owner',
      handle({ actor, params }) {
        const { name = '', act = '' } = params;
        if (!isRolloutAct(act))
          return badRequest([{ field: 'act', message: 'must be pause, resume, advance or roll_back' }]);
        return actOnRollout(deps, actor, name, act);
      },
    },
    {
      method: 'GET',
      url: '/deployments',
      needs: 'viewer',
      handle({ query }) {
        const limit = wholeNumber(query.limit, { least: 1, most: MAX_PAGE_SIZE, fallback: DEPLOYMENTS_SHOWN });
        const before = wholeNumber(query.before, { least: 1, most: MAX_GENERATION, fallback: 0 });
        if (limit === undefined || before === undefined)
          return badRequest([{ field: 'limit', message: 'must be a whole number' }]);
        return listDeployments(deps, { limit, ...(before > 0 && { before }) });
      },
    },
    {
      method: 'GET',
      url: '/deployments/:generation',
      needs: 'viewer',
      handle({ params, query }) {
        const generation = wholeNumber(params.generation, { least: 1, most: MAX_GENERATION, fallback: 0 });
        const limit = wholeNumber(query.limit, { least: 1, most: DEVICES_PER_PAGE, fallback: DEVICES_PER_PAGE });
        if (generation === undefined || generation === 0) {
          return badRequest([{ field: 'generation', message: 'must be a whole number' }]);
        }
        if (limit === undefined)
          return badRequest([{ field: 'limit', message: `must be between 1 and ${DEVICES_PER_PAGE}` }]);
        const after = text(query.after);
        return showDeployment(deps, generation, { limit, ...(after !== undefined && { after }) });
      },
    },
    {
      method: 'GET',
      url: '/diff',
      needs: 'viewer',
      handle({ query }) {
        const from = wholeNumber(query.from, { least: 0, most: MAX_GENERATION, fallback: -1 });
        const to = wholeNumber(query.to, { least: 1, most: MAX_GENERATION, fallback: -1 });
        if (from === undefined || from < 0) return badRequest([{ field: 'from', message: 'must be a generation' }]);
        if (to === undefined || to < 0) return badRequest([{ field: 'to', message: 'must be a generation' }]);
        return diffGenerations(deps, { from, to, limit: MAX_PAGE_SIZE });
      },
    },
  ];
}
