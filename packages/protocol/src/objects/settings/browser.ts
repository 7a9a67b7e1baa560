import Type from 'typebox';
import type { Section } from './setting.ts';

const MAX_SITES = 500;

const siteRules = Type.Array(
  Type.String({
    pattern: '^(\\*\\.)?[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?(/[^\\s]*)?$|^\\*$',
    maxLength: 1024,
    description: 'a site like example.org or *.example.org/path, or *',
  }),
  { maxItems: MAX_SITES },
);

export const browser: Section = {
  name: 'browser',
  title: 'Browser',
  settings: [
    {
      key: 'browser.homepage',
      scope: 'both',
      merge: 'replace',
      schema: Type.String({
        pattern: '^(https?://[^\\s]+|about:blank)$',
        maxLength: 2048,
        description: 'a URL like https://www.example.org/, or about:blank',
      }),
      default: 'about:blank',
      title: 'Home page',
      help: 'The page that the browser opens first (http or https).',
    },
    {
      key: 'browser.allow',
      scope: 'both',
      merge: 'union',
      schema: siteRules,
      default: [],
      title: 'Allowed sites',
      help: 'Sites that stay open though others are blocked. Lists of all policies are united.',
    },
    {
      key: 'browser.block',
      scope: 'both',
      merge: 'union',
      schema: siteRules,
      default: [],
      title: 'Blocked sites',
      help: 'Sites that do not open; "*" = all that is not allowed. Lists of all policies are united.',
    },
    {
      key: 'browser.downloads',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Downloads',
      help: 'Whether files may be saved on the thin client.',
    },
    {
      key: 'browser.keepData',
      scope: 'both',
      merge: 'replace',
      schema: Type.Boolean(),
      default: false,
      title: 'Keep data',
      help: 'Whether cookies and history outlive the session.',
    },
  ],
};
