import Type from 'typebox';
import { closed } from '../shape.ts';
import { text } from './schemas.ts';
import type { Section } from './setting.ts';

const printerName = Type.String({
  pattern: '^[A-Za-z0-9_-]{1,64}$',
  description: 'a name of 1 to 64 letters, digits, - and _',
});

export const printers: Section = {
  name: 'printers',
  title: 'Printers',
  settings: [
    {
      key: 'printers.list',
      scope: 'both',
      merge: 'union',
      schema: Type.Array(
        closed({
          name: printerName,
          uri: Type.String({
            pattern: '^(ipps?|socket|lpd|usb|smb)://[^\\s@]+$',
            maxLength: 1024,
            description: 'a URI like ipp://printer.example.org/ipp/print, without a password',
          }),
          title: Type.Optional(text(128)),
          /** A PPD or `everywhere` (driverless). */
          driver: Type.Optional(text(256)),
        }),
        { maxItems: 64 },
      ),
      default: [],
      title: 'Printers',
      help: 'Printers of the device, by URI (ipp, ipps, socket, lpd, smb, usb). Lists of all policies are united.',
    },
    {
      key: 'printers.default',
      scope: 'both',
      merge: 'replace',
      schema: Type.Union([Type.Literal(''), printerName]),
      default: '',
      title: 'Default printer',
      help: 'The name of one of the printers.',
    },
  ],
};
