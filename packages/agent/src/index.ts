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
export type { Applier, ApplyOutcome } from './apply/applier.ts';
export { AgentStopped } from './runtime/login-desk.ts';
