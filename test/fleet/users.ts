/** Who logs in on the devices of a fleet: names and passwords follow a pattern, so that any fleet knows them. */
export type FleetUser = { readonly name: string; readonly password: string };

export function fleetUsers(prefix: string, count: number): readonly FleetUser[] {
  return Array.from({ length: count }, (_, at) => {
    const name = `${prefix}${at + 1}`;
    // Not a secret: accounts that exist for a test, on a site that is tested.
    return { name, password: `password-of-${name}` };
  });
}

/** What `thinman apply -f -` takes. */
export function usersAsYaml(users: readonly FleetUser[]): string {
  return users
    .map(({ name, password }) => `kind: User\nname: ${name}\nbody: { password: ${password} }\n`)
    .join('---\n');
}
