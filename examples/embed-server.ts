// A ThinMan host inside another program: a hospital's dashboard serves its own page, and the thin clients are served beside it.
//
//   node examples/embed-server.ts DATA_DIR THINMAN_PORT PAGE_PORT
//
// The first start makes the site. SIGTERM or Ctrl-C drains: thin clients move to another server before this one goes.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, initSite } from '@thinman/server';

const [, , dataDir, thinmanPort, pagePort] = process.argv;
if (dataDir === undefined || thinmanPort === undefined || pagePort === undefined) {
  console.error('usage: node examples/embed-server.ts DATA_DIR THINMAN_PORT PAGE_PORT');
  process.exit(2);
}

if (!existsSync(dataDir)) {
  const listen = `127.0.0.1:${thinmanPort}`;
  const site = await initSite({ dataDir, name: 'primary', listen, url: `https://${listen}` });
  console.log(`new site; recovery code, shown once: ${site.recoveryCode}`);
}

const server = createServer({ dataDir });
server.onState(({ before, state, why }) =>
  console.log(`thinman: ${before} -> ${state}${why === null ? '' : ` (${why})`}`),
);

// Whatever the host serves itself has nothing to do with ThinMan's port, certificates or shutdown.
const page = createHttpServer((_request, response) => {
  const { state, connectedDevices } = server.status();
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ hospital: 'St. Example', logins: state, thinClients: connectedDevices }));
});

await server.start();
page.listen(Number(pagePort), '127.0.0.1');
await once(page, 'listening');
console.log(`READY ${server.url} and http://127.0.0.1:${pagePort}`);

const drain = () => void server.drain();
process.once('SIGTERM', drain).once('SIGINT', drain);

// Also when an administrator drains it from elsewhere: the host decides what then becomes of the rest.
await server.stopped;
page.close();
page.closeAllConnections();
console.log('stopped');
