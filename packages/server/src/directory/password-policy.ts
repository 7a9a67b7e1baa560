import { type BerReader, Control } from 'ldapts';

/** draft-behera-ldap-password-policy, 6.2: what OpenLDAP (ppolicy), 389 and others tell beside the answer to a bind. */
const PASSWORD_POLICY_OID = '1.3.6.1.4.1.42.2.27.8.5.1';
const SEQUENCE = 0x30;
const WARNING = 0xa0;
const TIME_BEFORE_EXPIRATION = 0x80;
const ERROR = 0x81;

/** `error`: 0 expired, 1 locked, 2 to be changed after a reset; others concern changes of passwords. */
export type PolicyState = { readonly error?: number; readonly expiresInS?: number };

/** Asks for it, and holds what came. */
export class PasswordPolicyControl extends Control {
  state: PolicyState = {};

  constructor() {
    super(PASSWORD_POLICY_OID);
  }

  protected override parseControl(reader: BerReader): void {
    if (reader.peek() !== SEQUENCE) return;
    reader.readSequence();
    const end = reader.offset + reader.length;
    for (let before = -1; reader.offset < end && reader.offset > before; ) {
      // What has no whole value moves nothing on: it is the end of it.
      before = reader.offset;
      const tag = reader.peek();
      if (tag === WARNING) {
        reader.readSequence(WARNING);
        const kind = reader.peek();
        const value = kind === null ? undefined : unsigned(reader, kind);
        if (kind === TIME_BEFORE_EXPIRATION && value !== undefined) this.state = { ...this.state, expiresInS: value };
      } else if (tag === ERROR) {
        const error = unsigned(reader, ERROR);
        if (error !== undefined) this.state = { ...this.state, error };
      } else return;
    }
  }
}

function unsigned(reader: BerReader, tag: number): number | undefined {
  const bytes = reader.readString(tag, true);
  return bytes === null || bytes.length === 0 || bytes.length > 4 ? undefined : bytes.readUIntBE(0, bytes.length);
}
