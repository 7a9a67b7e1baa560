import Type, { type Static } from 'typebox';
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../limits.ts';
import { Base64Url } from '../names.ts';
import { closed, description } from './shape.ts';

/** Someone who administers the site. Roles: `owner` may do everything, `viewer` reads. */
export const AdministratorBody = closed({
  description,
  role: Type.Union([Type.Literal('owner'), Type.Literal('viewer')]),
  password: Type.Optional(Type.String({ minLength: MIN_PASSWORD_LENGTH, maxLength: MAX_PASSWORD_LENGTH })),
  disabled: Type.Optional(Type.Boolean()),
});
export type AdministratorBody = Static<typeof AdministratorBody>;

/** Argon2id on the server: 19 MiB, t=2, p=1 (`design.md`, Technology). */
export const AdministratorSystem = Type.Object({
  passwordSalt: Type.Optional(Base64Url(128)),
  passwordHash: Type.Optional(Base64Url(128)),
});
export type AdministratorSystem = Static<typeof AdministratorSystem>;
