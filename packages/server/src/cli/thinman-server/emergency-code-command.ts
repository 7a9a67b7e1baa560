import { EMERGENCY_HOURS, EmergencyCodeAnswer, EmergencyCodeRequest, parseValue, visible } from '@thinman/protocol';
import { CommandError, EXIT } from '../thinman/command-error.ts';
import { askRunning } from './running-server.ts';

type Options = {
  readonly data: string;
  readonly device: string;
  readonly user: string;
  readonly challenge: string;
  readonly hours: string;
  readonly json?: true;
};

/** `thinman-server emergency-code`: asked of the running server, whichever it is. */
export async function emergencyCodeCommand({ data, json, hours, challenge, ...who }: Options): Promise<string> {
  const digits = challenge.replaceAll(/[\s-]/g, '');
  const asked = parseValue(EmergencyCodeRequest, { ...who, challenge: digits, hours: Number(hours) });
  if (!asked.ok) {
    throw new CommandError(
      EXIT.misuse,
      `--challenge is the eight digits that the device shows, and --hours one of ${EMERGENCY_HOURS.join(', ')}`,
    );
  }
  const answer = await askRunning(data, client =>
    client.ask(EmergencyCodeAnswer, { method: 'POST', path: '/emergency-code', body: asked.value }),
  );
  if (json === true) return `${JSON.stringify(answer)}\n`;
  const doubt =
    answer.userUnknown === true
      ? `This server knows no user "${visible(who.user)}": the code is no good unless that is, letter by letter, what the device shows.\n`
      : '';
  return `code  ${answer.code}\nIt lets ${who.user} log in offline on ${who.device} for ${answer.hours} h, with the password.\n${doubt}`;
}
