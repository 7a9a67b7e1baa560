import type { SiteDataKey } from '../ports.ts';
import type { WriteDeps } from './admin-deps.ts';
import type { SiteReader } from './site-view.ts';

/** The data key of the state that is read: a commit that waited for another one may find a newer key than this server holds yet. */
export async function dataKeyIn(
  { dataKey, identity }: Pick<WriteDeps, 'dataKey' | 'identity'>,
  reader: Pick<SiteReader, 'get'>,
): Promise<SiteDataKey> {
  const own = await reader.get('Server', identity.name);
  const wrapped = own?.system.wrappedDataKey;
  return typeof wrapped === 'string' ? dataKey.heldIn(wrapped) : dataKey;
}
