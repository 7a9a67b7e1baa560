// A child process: an HTTPS server that asks for a client certificate, answers every request with nothing, and takes WebSockets,
// whose pings it answers. Arguments: files of its key, its certificate and the CA; the address to listen on.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const NO_CONTENT = 204;
const [key = '', cert = '', ca = '', address = '127.0.0.1'] = process.argv.slice(2);
const tls = { key: readFileSync(key), cert: readFileSync(cert), ca: readFileSync(ca) };
const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
  request.resume().on('end', () => response.writeHead(NO_CONTENT).end());
});
server.keepAliveTimeout = 0;
new WebSocketServer({ server, perMessageDeflate: false });
server.listen(0, address, () => console.log(`READY ${(server.address() as AddressInfo).port}`));
