// A child process that asks `/readyz` again and again, as a monitor would, and prints how long each answer took when it is ended.
// Arguments: URL, file of the CA, pause in ms.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

const [url = '', ca = '', pauseMs = '20'] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync(ca) });
const times: number[] = [];
process.on('SIGTERM', () => {
  console.log(JSON.stringify(times));
  process.exit();
});
console.log('READY');
for (;;) {
  const beganMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    get(`${url}/readyz`, { agent }, response => {
      response.resume().on('end', resolve).on('error', reject);
    }).on('error', reject);
  });
  times.push(Number((performance.now() - beganMs).toFixed(2)));
  await delay(Number(pauseMs));
}
