import Type from 'typebox';

// Forms of values that several settings have, each with the words for whoever got it wrong.

/** Of an idle time, in minutes; 0 = never. A day at most: longer is meant as never. */
export const idleMinutes = Type.Integer({ minimum: 0, maximum: 1440 });

export const percent = Type.Integer({ minimum: 0, maximum: 100 });

/** A name of DNS, or an address. */
export const host = Type.String({
  pattern: '^[A-Za-z0-9._:\\[\\]-]{1,253}$',
  description: 'a host like ntp.example.org',
});

export const domain = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*$',
  maxLength: 253,
  description: 'a domain like example.org',
});

/** A time of day by the device's own time zone. */
export const timeOfDay = Type.String({
  pattern: '^([01][0-9]|2[0-3]):[0-5][0-9]$',
  description: 'a time of day like 19:30',
});

export const weekday = Type.Union(
  (['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const).map(day =>
    Type.Literal(day),
  ),
);

/** One of a few words. */
export const oneOf = <W extends string>(...words: readonly W[]) => Type.Union(words.map(word => Type.Literal(word)));

export const text = (maxLength: number) => Type.String({ maxLength });
