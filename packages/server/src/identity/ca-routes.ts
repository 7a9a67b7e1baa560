import { CaStepRequest, parseValue } from '@thinman/protocol';
import { localAccess } from '../admin-plane/access.ts';
import { type AdminRoute, addRoutes, badRequest } from '../admin-plane/route.ts';
import type { HttpApp } from '../http/codec.ts';
import type { CaRotation } from './ca-rotation.ts';

/** `/ca`, on the local admin socket alone: whoever changes the CA has the Primary's data folder at hand. */
export function caRoutes(rotation: CaRotation): (app: HttpApp) => Promise<void> {
  const step = (
    url: string,
    run: (call: Parameters<AdminRoute['handle']>[0], force: boolean) => ReturnType<AdminRoute['handle']>,
  ): AdminRoute => ({
    method: 'POST',
    url,
    needs: 'owner',
    handle(call) {
      const parsed = parseValue(CaStepRequest, call.body);
      return parsed.ok ? run(call, parsed.value.force === true) : badRequest(parsed.problems);
    },
  });
  return async app =>
    addRoutes(app, localAccess, [
      { method: 'GET', url: '/ca', needs: 'owner', handle: () => rotation.status() },
      step('/ca/begin', ({ actor }) => rotation.begin(actor)),
      step('/ca/switch', ({ actor }, force) => rotation.switch(actor, force)),
      step('/ca/finish', ({ actor }, force) => rotation.finish(actor, force)),
    ]);
}
