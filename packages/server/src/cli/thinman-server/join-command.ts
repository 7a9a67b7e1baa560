import { joinSite } from '../../setup/join-site.ts';
import type { NewServerOptions } from './init-command.ts';

/** `thinman-server join`. */
export async function joinCommand(
  token: string,
  options: NewServerOptions & { readonly singleHost?: true },
): Promise<string> {
  const { data: dataDir, ...rest } = options;
  const { siteId, version } = await joinSite({ token, dataDir, ...rest });
  return `${options.name} has joined the site ${siteId} (generation ${version.generation}).\nNow run: thinman-server start --data ${dataDir}\n`;
}
