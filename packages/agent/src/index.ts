export {
  type Agent,
  AgentCannotStart,
  type AgentOptions,
  createAgent,
  type EnrolmentOptions,
  type EnrolmentResult,
  enroll,
  IdentityDamaged,
  IdentityOfNewerVersion,
} from './agent.ts';
export type { Applier } from './apply/applier.ts';
export type { ClientOptions } from './apply/connections/start-client.ts';
export type { Holding, SectionValues } from './apply/sections.ts';
export { AgentStopped } from './runtime/login-desk.ts';
