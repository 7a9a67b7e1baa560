import { destination } from 'pino';
import { canServeLogin } from '../../core/serving-state.ts';
import { createLogger } from '../../http/logger.ts';
import { notifySystemd } from '../../runtime/sd-notify.ts';
import { createServer, type ThinmanServer } from '../../server.ts';
import { EXIT } from '../thinman/command-error.ts';

const STDERR = 2;
/** One of pino's; `info` where it is not set. */
const LOG_LEVEL_VARIABLE = 'THINMAN_LOG_LEVEL';

/** `thinman-server start`: runs until SIGTERM, SIGINT or `drain`. READY is said once, when it can serve a login. */
export async function startCommand(
  options: { readonly data: string; readonly acceptWeakDurability?: true; readonly isolated?: true },
  out: (text: string) => void,
): Promise<void> {
  const level = process.env[LOG_LEVEL_VARIABLE];
  const log = createLogger({
    destination: destination({ fd: STDERR, sync: true }),
    ...(level === undefined || level === '' ? {} : { level }),
  });
  for (const defect of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(defect, error => {
      log.fatal({ err: error }, 'a defect: the server ends');
      process.exit(EXIT.failed);
    });
  }
  const server = createServer({
    ...{ dataDir: options.data, log },
    ...(options.acceptWeakDurability ? { acceptWeakDurability: true } : {}),
    ...(options.isolated ? { isolated: true } : {}),
  });
  stopOnSignals(server);
  await server.start();
  void readiness(server).then(() => {
    const { role, state } = server.status();
    out(`READY ${server.url} role=${role} state=${state}\n`);
    return notifySystemd('READY=1');
  });
  await server.stopped;
  // Nothing of a stopped server may hold the process: whoever waits for its end waits for this.
  process.exit(EXIT.done);
}

function readiness(server: ThinmanServer): Promise<void> {
  return new Promise(resolve => {
    const look = () => {
      if (!canServeLogin(server.status().state)) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = server.onState(look);
    look();
  });
}

function stopOnSignals(server: ThinmanServer): void {
  let asked = false;
  const stop = () => {
    // Whoever asks twice does not want to wait; what was acknowledged is on disk.
    if (asked) process.exit(EXIT.failed);
    asked = true;
    void notifySystemd('STOPPING=1');
    server.drain().catch(() => process.exit(EXIT.failed));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
}
