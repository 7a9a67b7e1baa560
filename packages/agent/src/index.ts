export { type EnrolmentOptions, type EnrolmentResult, enroll } from './adapters/enrolment.ts';
export { IdentityDamaged } from './adapters/identity-store.ts';
export { type Agent, AgentCannotStart, type AgentOptions, createAgent } from './agent.ts';
export type { Applier, ApplyOutcome } from './apply/applier.ts';
export { AgentStopped } from './runtime/login-desk.ts';
