import type { Applier } from '../applier.ts';
import { brief } from '../brief.ts';
import { planOf } from '../launchers/plan.ts';
import { usableConnections } from '../sections.ts';

/** Says of the connections that can be used now whether each of them can be opened: as far as it can be known without trying. */
export const connectionApplier: Applier = {
  section: 'connections',
  async apply(holding) {
    const person = { user: holding.user?.user.name ?? null, canSignOn: false };
    const unfit = usableConnections(holding).flatMap(connection => {
      const plan = planOf(connection, person, holding.device.settings);
      return plan.kind === 'unfit' ? [`${connection.name}: ${plan.why}`] : [];
    });
    return unfit.length === 0 ? { result: 'applied' } : { result: 'failed', why: brief(unfit.join('; ')) };
  },
};
