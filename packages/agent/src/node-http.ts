// In place of `import … from 'node:http'`, which reads each of its exports: one of them, `WebSocket`, loads all of Node's fetch and
// HTTP/2. That is 7 MB in an agent that never uses them, and 15 ms of each `thinman-agent login` (ADR 0031).
export const { createServer, request } = process.getBuiltinModule('node:http');
