/** `node:child_process`, loaded by whoever starts something: 2.5 ms of every start of an agent, most of which start nothing (ADR 0106). */
export const childProcess = () => process.getBuiltinModule('node:child_process');
