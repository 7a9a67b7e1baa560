/**
 * ThinMan servers as a library: make a site (`initSite`), join one (`joinSite`), run a server in this process
 * (`createServer`).
 */
export { ConfigError } from './config.ts';
export { IdentityDamaged } from './identity/identity-files.ts';
export { type DatabaseFinding, DatabaseUnfit } from './record/errors.ts';
export { createServer, type ServerOptions, type StateChange, type ThinmanServer } from './server.ts';
export { JoinDenied, JoinFailed, PrimaryUnreachable } from './setup/errors.ts';
export { type InitOptions, initSite, type NewSite } from './setup/init-site.ts';
export { type JoinedSite, type JoinOptions, joinSite } from './setup/join-site.ts';
