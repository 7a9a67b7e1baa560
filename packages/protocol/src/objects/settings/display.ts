import Type from 'typebox';
import { closed } from '../shape.ts';
import { oneOf } from './schemas.ts';
import type { Section } from './setting.ts';

const MAX_MONITORS = 16;
const scale = Type.Number({ minimum: 0.5, maximum: 4 });

const monitor = closed({
  output: Type.String({ pattern: '^[A-Za-z0-9._-]{1,64}$', description: 'an output like HDMI-1 or DP-2' }),
  enabled: Type.Optional(Type.Boolean()),
  primary: Type.Optional(Type.Boolean()),
  mode: Type.Optional(
    Type.String({
      pattern: '^[1-9][0-9]{2,4}x[1-9][0-9]{2,4}(@[1-9][0-9]{1,2}(\\.[0-9]{1,3})?)?$',
      description: 'a mode like 1920x1080 or 2560x1440@60',
    }),
  ),
  scale: Type.Optional(scale),
  rotation: Type.Optional(oneOf('normal', 'left', 'right', 'inverted')),
  /** Of its upper left corner on the common surface, in pixels. */
  position: Type.Optional(
    closed({
      x: Type.Integer({ minimum: 0, maximum: 65_535 }),
      y: Type.Integer({ minimum: 0, maximum: 65_535 }),
    }),
  ),
});

export const display: Section = {
  name: 'display',
  title: 'Display',
  settings: [
    {
      key: 'display.scale',
      scope: 'both',
      merge: 'replace',
      schema: scale,
      default: 1,
      unit: 'factor',
      title: 'Scale',
      help: 'How much larger than its natural size everything is drawn: 1 = natural, 2 = double.',
    },
    {
      key: 'display.arrangement',
      scope: 'both',
      merge: 'replace',
      schema: oneOf('extend', 'mirror', 'first-only'),
      default: 'extend',
      title: 'Several monitors',
      help: 'One surface over all monitors, the same picture on each, or the first one alone.',
    },
    {
      key: 'display.monitors',
      scope: 'device',
      merge: 'replace',
      schema: Type.Array(monitor, { maxItems: MAX_MONITORS }),
      default: [],
      title: 'Monitors',
      help: 'By output: mode, scale, rotation (normal, left, right, inverted), position in pixels, which is the primary one. What is not named shows its preferred mode, to the right of the others.',
    },
  ],
};
