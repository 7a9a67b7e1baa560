import { joinSite } from '../../setup/join-site.ts';
import { type NewServerOptions, warn, warnOfShownPassword } from './init-command.ts';

/** `thinman-server join`. */
export async function joinCommand(
  token: string,
  options: NewServerOptions & { readonly singleHost?: true },
): Promise<string> {
  warnOfShownPassword(options.database);
  const { data: dataDir, ...rest } = options;
  const { siteId, version } = await joinSite({ token, dataDir, warn, ...rest });
  return `${options.name} has joined the site ${siteId} (generation ${version.generation}).\nNow run: thinman-server start --data ${dataDir}\n`;
}
