/** A small site for tests: two nurses, their profile, one policy for their ward. */
export const ALICE = { name: 'alice', password: 'alices-first-password' } as const;
export const BOB = { name: 'bob', password: 'bobs-first-password' } as const;
export const GROUP = 'ward-3';

/** What only a profile holds: none of it may be readable on a device's disk. */
export const PROFILE_CANARIES = [
  'rds-canary.ward-3.example',
  'https://wiki-canary.example/start',
  'nurse-desktop-canary',
];

export const WARD = `
kind: DeviceGroup
name: ${GROUP}
body: {}
---
kind: UserGroup
name: nurses
body: {}
---
${user(ALICE)}
---
${user(BOB)}
---
kind: Policy
name: quiet-screens
body: { scope: device, settings: { power: { screenOffAfterMinutes: 7 } } }
---
kind: Assignment
name: quiet-ward
body: { policy: quiet-screens, to: { deviceGroup: ${GROUP} } }
---
${profile(['ward'])}
---
kind: Assignment
name: nurses-profile
body: { profile: nurses, to: { userGroup: nurses } }
`;

/** A user as `apply` takes it; without `disabled` and with the password as it is stored, this is no change. */
export function user(
  { name, password }: { readonly name: string; readonly password: string },
  disabled = false,
): string {
  return `kind: User
name: ${name}
body: { groups: [nurses], password: ${password}, disabled: ${disabled} }`;
}

/** The nurses' profile, with RDP connections of these names. */
export function profile(names: readonly string[]): string {
  const [host, url, desktop] = PROFILE_CANARIES;
  const rdp = names.map(name => `    - { name: ${name}, type: rdp, host: ${host} }`);
  return `kind: Profile
name: nurses
body:
  connections:
${rdp.join('\n')}
    - { name: wiki, type: web, url: "${url}" }
    - { name: desktop, type: horizon, host: view.example, desktop: ${desktop} }`;
}
