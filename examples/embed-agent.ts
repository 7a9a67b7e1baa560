// A greeter that has the agent inside it, instead of asking `thinman-agent` over its socket.
//
//   node examples/embed-agent.ts DATA_DIR [TOKEN]
//
// With a token (`thinman token device`) it enrols this device first. Then it takes one line per login, `NAME PASSWORD`, or
// `logout`, and ends with its input. A real greeter has a window instead of lines; the calls are the same.
import { createInterface } from 'node:readline';
import { createAgent, enroll } from '@thinman/agent';
import { ERRORS, isErrorCode } from '@thinman/protocol';

const [, , dataDir, token] = process.argv;
if (dataDir === undefined) {
  console.error('usage: node examples/embed-agent.ts DATA_DIR [TOKEN]');
  process.exit(2);
}

if (token !== undefined) {
  // What may go wrong outside is a value, here as in `login`; exceptions are defects.
  const enrolled = await enroll({ token, dataDir });
  if (!enrolled.ok) {
    console.error(enrolled.message);
    process.exit(1);
  }
  console.log(`this device is ${enrolled.name}`);
}

// The greeter is the only one who talks to this agent: no sockets for others.
const agent = createAgent({ dataDir, localSockets: false });

/** The status bar. It is drawn anew whenever something that it shows may have changed. */
let drawn = '';
function drawStatus(): void {
  const { mode, server, session } = agent.status();
  const where = server === null ? 'no server' : server.name;
  const bar = `[${mode}, ${where}] ${session === null ? 'nobody is logged in' : `${session.user} is logged in`}`;
  if (bar !== drawn) console.log(bar);
  drawn = bar;
}

async function logIn(user: string, password: string): Promise<void> {
  const { verdict, reason, mode, profile, warning } = await agent.login(user, password);
  if (verdict === 'denied') {
    const code = reason ?? 'internal';
    console.log(`denied: ${isErrorCode(code) ? ERRORS[code].title : 'The login was denied.'}`);
    return;
  }
  const desktops = (profile?.connections ?? []).map(({ name, type }) => `${name} (${type})`);
  console.log(`welcome, ${user} (${mode}): ${desktops.join(', ')}`);
  if (warning !== undefined) console.log(warning);
}

await agent.start();
await agent.ready(); // the first word of a server, or the certainty that there is none: never long
agent.onChange(drawStatus);
drawStatus();

for await (const line of createInterface({ input: process.stdin })) {
  const [user = '', password = ''] = line.split(' ', 2);
  if (user === 'logout') await agent.logout();
  else await logIn(user, password);
}
await agent.stop();
