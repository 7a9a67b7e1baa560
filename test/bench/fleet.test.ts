import { benchTest } from './support/bench-test.ts';

benchTest({
  'login-storm': ['cpu', 'rate', 'readyz_p99', 'wrong'].map(what => `login-storm.${what}`),
  herd: ['herd.moved', 'herd.login_p99'],
  fanout: ['fanout.last_device'],
  narrow: ['narrow.change'],
  'memory-server': ['memory-server.device'],
  scale: ['login', 'narrow', 'list'].map(what => `scale.${what}.200`),
  deployment: ['list', 'page', 'all', 'rollout', 'meanwhile'].map(what => `deployment.${what}.200`),
});
