import Type, { type TProperties } from 'typebox';

/** An object that knows all its fields: a misspelt one is refused by name. */
export const closed = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });

export const description = Type.Optional(Type.String({ maxLength: 1024 }));

/** A moment, RFC 3339 in UTC: `2027-01-31T12:00:00Z`. */
export const Moment = Type.String({
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d{1,3})?Z$',
  description: 'a moment in UTC, like 2027-01-31T12:00:00Z',
});

/** What a site calls its devices and users by: `ward: "3"`. Variables and filters read it. */
export const Attributes = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_-]{0,63}$' }),
  Type.String({ maxLength: 256 }),
);

export const HttpsUrl = Type.String({
  pattern: '^https://[^\\s/?#@]+/?$',
  maxLength: 512,
  description: 'a URL like https://thinman.example.org:8443',
});
