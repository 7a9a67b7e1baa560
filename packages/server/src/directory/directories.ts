/** Sources of users beside the site's own objects (LDAP, Active Directory), as the device plane asks them. */
export type Directories = {
  /**
   * Whether this login name belongs to a directory, by its suffix or domain alone: such a user sends the password
   * itself (`method: password`). Tells nothing about whether the user exists.
   */
  claims(user: string): boolean;
};

/** A site whose users are all its own. */
export const noDirectories: Directories = { claims: () => false };
