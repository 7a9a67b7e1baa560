import type { Agent } from '../../support/agent-commands.ts';
import { createSite, type Site, type SiteOptions, waitUntilOn } from '../../support/site.ts';
import { ALICE, GROUP, WARD } from '../../support/ward.ts';
import { loginMs } from './local-login.ts';

export type BenchSite = { readonly site: Site; readonly device: Agent };

/**
 * A site of real processes with all numbers of the product: both servers, one thin client that runs on the Primary, and in whose
 * cache Alice is.
 */
export async function startBenchSite(options: SiteOptions): Promise<BenchSite> {
  const site = await createSite(options);
  await site.foundPrimary();
  await site.joinSecondary();
  await site.apply(WARD);
  const device = await site.addAgent('tc-1', GROUP);
  await device.start();
  await device.waitForStatus('to know both servers', ({ servers }) => servers.length === 2);
  await waitUntilOn(device, site.primary);
  await loginMs(device, ALICE, 'online by primary');
  await site.settle();
  return { site, device };
}
