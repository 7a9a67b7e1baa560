import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONNECTION_TYPES, type Connection, NOT_TOLD_TO_CLIENT, parseValue } from '@thinman/protocol';
import { avdUri } from './avd.ts';
import { horizonUri } from './horizon.ts';
import { FILE, type Launch, meaningOf, type Person } from './launch.ts';
import { planOf, wantsPassword } from './plan.ts';

const ALICE = { user: 'alice', canSignOn: true };
const NOBODY = { user: null, canSignOn: false };

function launch(connection: Connection, person: Person = ALICE, settings = {}): Launch {
  const plan = planOf(connection, person, settings);
  if (plan.kind === 'unfit') throw new Error(plan.why);
  return plan.launch;
}

test('RDP: what FreeRDP is told, with the password of the login only where that is wanted, and by standard input', () => {
  const rdp = {
    name: 'ward',
    type: 'rdp',
    host: 'rds.example.org',
    port: 3390,
    fullscreen: true,
    clipboard: false,
  } as const;
  const plain = launch(rdp);
  assert.deepEqual(plain.args, [
    '/v:rds.example.org:3390',
    '/title:ward',
    '/f',
    '-clipboard',
    '/sec:nla',
    '/cert:deny',
    '/log-level:WARN',
  ]);
  assert.equal(plain.password, 'none');
  const signed = launch({ ...rdp, sso: true });
  assert.equal(signed.password, 'stdin');
  assert.ok(signed.args.includes('/u:alice') && signed.args.includes('/from-stdin:force'));
  assert.match(signed.file?.content ?? '', /^username:s:alice\r$/m);
  const asked = launch({ ...rdp, sso: true }, { user: 'alice', canSignOn: false });
  assert.ok(
    asked.password === 'none' && asked.args.includes('/u:alice') && !asked.args.some(each => /stdin/.test(each)),
  );
  const other = launch({ ...rdp, sso: true, user: 'kiosk' }, NOBODY);
  assert.equal(other.password, 'none');
  assert.ok(other.args.includes('/u:kiosk'));
  assert.ok(launch({ ...rdp, host: '2001:db8::1' }).args.includes('/v:[2001:db8::1]:3390'));
});

test('RDP: a refused password is not tried again, a dropped line is', () => {
  const rdp = launch({ name: 'ward', type: 'rdp', host: 'h' });
  assert.equal(meaningOf(rdp, 132), 'refused');
  assert.equal(meaningOf(rdp, 131), 'failed');
  assert.equal(meaningOf(rdp, null), 'failed');
  assert.equal(meaningOf(rdp, 12), 'ended');
});

test('Citrix: a store, an application of it, or a file; never a password', () => {
  const storeUrl = 'https://store.example.org/Citrix/Store/discovery';
  const base = { name: 'c', type: 'citrix', sso: true } as const;
  assert.deepEqual(launch({ ...base, storeUrl }).args, []);
  assert.deepEqual(launch({ ...base, storeUrl }).first?.args, ['--addstore', storeUrl]);
  const application = launch({ ...base, storeUrl, application: 'Notes' });
  assert.deepEqual(application.args, ['--launch', 'Notes', storeUrl]);
  assert.deepEqual(application.first?.args, ['--addstore', storeUrl]);
  assert.equal(planOf({ ...base, storeUrl, application: '-P' }, ALICE).kind, 'unfit');
  const ica = launch({ ...base, icaUrl: 'https://x.example/a.ica' });
  // It takes the name of a file alone, which is put in front of its arguments.
  assert.deepEqual([ica.args, ica.file?.name, ica.first?.isNeeded], [[], 'session.ica', true]);
  assert.deepEqual(ica.first?.args.slice(-4), ['--output', FILE, '--', 'https://x.example/a.ica']);
  // A URL like https://x.example/[1-999999999] is one URL.
  assert.ok(ica.first?.args.includes('--globoff'));
  assert.equal(launch({ ...base, storeUrl }).password, 'none');
  assert.equal(wantsPassword({ ...base, storeUrl }), false);
  assert.equal(planOf(base, ALICE).kind, 'unfit');
});

test('Horizon: arguments, and the same as a URI', () => {
  const horizon = {
    name: 'h',
    type: 'horizon',
    host: 'view.example.org',
    desktop: 'Win 11',
    protocol: 'blast',
    domain: 'LAB',
  } as const;
  assert.deepEqual(launch({ ...horizon, sso: true }).args, [
    '--serverURL=view.example.org',
    '--userName=alice',
    '--password=-',
    '--nonInteractive',
    '--domainName=LAB',
    '--desktopName=Win 11',
    '--protocol=BLAST',
    '--once',
  ]);
  assert.equal(launch({ ...horizon, sso: true }).password, 'stdin');
  assert.equal(launch({ ...horizon, sso: true }, NOBODY).password, 'none');
  assert.equal(
    horizonUri({ ...horizon, sso: true }, ALICE),
    'horizon-client://alice@view.example.org/Win%2011?desktopProtocol=BLAST&domainName=LAB',
  );
  assert.equal(
    horizonUri(
      { name: 'h', type: 'horizon', host: 'view.example.org', application: 'Notes', protocol: 'pcoip' },
      ALICE,
    ),
    'horizon-client://view.example.org/Notes?appProtocol=PCOIP',
  );
  assert.equal(planOf({ ...horizon, application: 'x' }, ALICE).kind, 'unfit');
});

test('Azure Virtual Desktop and Windows 365: subscribes to the workspace, or opens a resource of it', () => {
  const avd = {
    name: 'a',
    type: 'avd',
    workspaceUrl: 'https://rdweb.wvd.microsoft.com/api/arm/feeddiscovery',
  } as const;
  assert.equal(avdUri(avd), 'ms-rd:subscribe?url=https%3A%2F%2Frdweb.wvd.microsoft.com%2Fapi%2Farm%2Ffeeddiscovery');
  const id = '1a2b3c4d-0000-1111-2222-333344445555';
  assert.match(avdUri({ ...avd, workspaceId: id, resource: id }), /^ms-rd:subscribe/, 'a resource needs a user');
  assert.equal(
    avdUri({ ...avd, workspaceId: id, resource: id, user: 'alice@example.org' }),
    `ms-avd:connect?workspaceid=${id}&resourceid=${id}&username=alice%40example.org&version=0`,
  );
});

test('web: a kiosk window, by the proxy of the policy', () => {
  const web = {
    name: 'w',
    type: 'web',
    url: 'https://wiki.example.org',
    kiosk: true,
    private: true,
    zoomPercent: 150,
  } as const;
  const settings = {
    'network.proxy.url': 'http://proxy.example.org:3128',
    'network.proxy.exceptions': ['*.lan', '10.0.0.0/8'],
  };
  const { args } = launch(web, NOBODY, settings);
  for (const each of [
    '--kiosk',
    '--incognito',
    '--force-device-scale-factor=1.5',
    '--proxy-server=http://proxy.example.org:3128',
    '--proxy-bypass-list=*.lan;10.0.0.0/8',
  ])
    assert.ok(args.includes(each), each);
  assert.equal(args.at(-1), web.url);
  assert.ok(!launch({ name: 'w', type: 'web', url: web.url }).args.some(each => /kiosk|incognito|proxy/.test(each)));
});

test('ssh and VNC', () => {
  assert.deepEqual(
    launch({ name: 's', type: 'ssh', host: '[::1]', port: 22, user: 'op', command: 'top -b' }).args.slice(4).slice(6),
    ['-p', '22', '-l', 'op', '-t', '--', '::1', 'top -b'],
  );
  assert.deepEqual(launch({ name: 'v', type: 'vnc', host: 'x.example', port: 5901, viewOnly: true }).args, [
    '-ViewOnly=1',
    'x.example::5901',
  ]);
});

test('what a client would take for an option of its own is refused', () => {
  for (const type of ['rdp', 'horizon', 'ssh', 'vnc'] as const) {
    assert.equal(planOf({ name: 'x', type, host: '-oProxyCommand' }, NOBODY).kind, 'unfit', type);
  }
});

test('no text of a connection becomes an argument of its own, whatever it is: only the value of an option, or behind the last of them', () => {
  /** They take what comes next as their value, whatever it begins with. */
  const takesValue = ['-T', '-l', '-o', '-p', '--launch', '--addstore', '--output'];
  const places: readonly Connection[] = [
    { name: 'x', type: 'rdp', host: 'h', remoteApp: 'r', sso: true },
    { name: 'x', type: 'citrix', storeUrl: 'https://s' },
    { name: 'x', type: 'citrix', icaUrl: 'https://s' },
    { name: 'x', type: 'horizon', host: 'h', sso: true },
    { name: 'x', type: 'avd', workspaceUrl: 'https://w' },
    { name: 'x', type: 'web', url: 'https://w', kiosk: true },
    { name: 'x', type: 'ssh', host: 'h' },
    { name: 'x', type: 'vnc', host: 'h' },
  ];
  let looked = 0;
  for (const hostile of [
    '-x',
    '--password=a',
    '/v:evil',
    '+drives',
    '-oProxyCommand=x',
    '$(reboot)',
    '; reboot',
    '||x',
  ]) {
    for (const connection of places) {
      for (const field of Object.keys(CONNECTION_TYPES[connection.type].properties)) {
        const given = { ...connection, [field]: hostile };
        if (field === 'type' || !parseValue(CONNECTION_TYPES[connection.type], given).ok) continue;
        const plan = planOf(given as Connection, { user: 'alice', canSignOn: true });
        if (plan.kind === 'unfit') continue;
        looked += 1;
        for (const args of [plan.launch.args, plan.launch.first?.args ?? []]) {
          const end = args.indexOf('--');
          for (const [at, arg] of args.entries()) {
            const isValue = takesValue.includes(args[at - 1] ?? '') || (end !== -1 && at > end);
            assert.ok(arg !== hostile || isValue, `${connection.type} ${field}: ${args.join(' ')}`);
          }
        }
      }
    }
  }
  assert.ok(looked > 100, `${looked} were looked at`);
});

test('every type of connection has a launcher', () => {
  const fields: Record<string, object> = {
    rdp: { host: 'h' },
    citrix: { icaUrl: 'https://h/a.ica' },
    horizon: { host: 'h' },
    avd: { workspaceUrl: 'https://h' },
    web: { url: 'https://h' },
    ssh: { host: 'h' },
    vnc: { host: 'h' },
  };
  for (const type of Object.keys(CONNECTION_TYPES)) {
    assert.equal(planOf({ name: 'x', type, ...fields[type] } as Connection, NOBODY).kind, 'launch', type);
  }
});

test('each field of a connection reaches its client, but for those of which people are told that they do not', () => {
  const all = { workspaceId: ID, resource: ID, user: 'u' };
  const BASES: Record<Connection['type'], readonly object[]> = {
    rdp: [{ host: 'a', remoteApp: 'app' }],
    citrix: [{ storeUrl: 'https://a/store' }],
    horizon: [{ host: 'a' }],
    avd: [{ workspaceUrl: 'https://a/' }, { workspaceUrl: 'https://a/', ...all }],
    web: [{ url: 'https://a/' }],
    ssh: [{ host: 'a' }],
    vnc: [{ host: 'a' }],
  };
  /** For the agent itself, which starts the client. */
  const OF_AGENT = ['name', 'type', 'title', 'autostart', 'order', 'reconnect', 'fallback'];
  const plan = (connection: object) => JSON.stringify(planOf(connection as Connection, ALICE));
  for (const type of Object.keys(CONNECTION_TYPES) as Connection['type'][]) {
    const bases = BASES[type].map(base => ({ name: 'c', type, ...base }));
    const fields = Object.entries(CONNECTION_TYPES[type].properties).filter(([name]) => !OF_AGENT.includes(name));
    const silent = fields.flatMap(([name, field]) => {
      const isTold = bases.some(base => valuesOf(field).some(value => plan({ ...base, [name]: value }) !== plan(base)));
      return isTold ? [] : [name];
    });
    assert.deepEqual(silent.sort(), [...(NOT_TOLD_TO_CLIENT[type] ?? [])].sort(), type);
  }
});

const ID = '1a2b3c4d-0000-1111-2222-333344445555';

/** Some of what a field takes, by its schema: enough that one of them is not what was there. */
function valuesOf(field: object): readonly unknown[] {
  const { type, anyOf, minimum } = field as { type?: string; anyOf?: readonly { const: unknown }[]; minimum?: number };
  if (anyOf !== undefined) return anyOf.map(one => one.const);
  if (type === 'boolean') return [true, false];
  return type === 'integer' ? [minimum, (minimum ?? 0) + 1] : ['other', 'https://b/'];
}
