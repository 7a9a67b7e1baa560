import type { DirectoryFinding } from '@thinman/protocol';
import { type DirectoryConfig, sealedConfig } from '../../directory/directory-config.ts';
import { tryServers } from '../../directory/try-directory.ts';
import type { Clock, SiteDataKey, StoredObject } from '../../ports.ts';
import { type Check, fail, ok, warn } from './check.ts';

const CHECK = 'directory';

/** Each server of each directory by itself: every ThinMan server asks them, and so does its doctor. */
export async function checkDirectories(
  objects: readonly StoredObject[],
  dataKey: Pick<SiteDataKey, 'open'>,
  clock: Pick<Clock, 'monotonicMs' | 'after'>,
  look: (config: DirectoryConfig) => Promise<readonly DirectoryFinding[]> = config => tryServers(config, { clock }),
): Promise<readonly Check[]> {
  const checks = objects.map(async object => {
    let config: DirectoryConfig;
    try {
      config = sealedConfig(object, dataKey);
    } catch {
      const found = `${object.name} cannot be used: what is stored of it does not open, or is no filter`;
      return [fail(CHECK, found, 'apply it anew, with its bindPassword')];
    }
    const findings = await look(config);
    return config.endpoints.map(({ url }) => {
      return checkServer(
        `${object.name} (${url})`,
        findings.filter(finding => finding.url === url),
      );
    });
  });
  return (await Promise.all(checks)).flat();
}

/** What is worst of it, in one line. */
function checkServer(called: string, findings: readonly DirectoryFinding[]): Check {
  const worst = findings.find(({ level }) => level === 'fail') ?? findings.find(({ level }) => level === 'warn');
  if (worst === undefined) return ok(CHECK, `${called}: ${findings.map(({ step }) => step).join(', ')} as they should`);
  const found = `${called}: ${worst.step}: ${worst.found}`;
  return (worst.level === 'fail' ? fail : warn)(CHECK, found, worst.do ?? 'docs/directories.md');
}
