/** Every call unanswered but the probe: refused in a word that opened no breaker, it was asked again at once, for ever. */
const OVERLOADED_PROBES = {
  said: {
    readyz: [
      {
        text: '{"type":"x","title":"x","code":"overloaded","status":503,"retryAfterMs":1000}',
        as: 'problem',
        fits: false,
      },
    ],
    ...{
      begin: [],
      login: [],
      deviceBundle: [],
      userBundle: [],
      refreshSession: [],
      vouch: [],
      logout: [],
      sendEvents: [],
    },
  },
  frames: [],
};

/** No moment that anybody could print. */
const LATE_EVENT = JSON.stringify({
  events: [{ id: '11111111-2222-4333-8444-555555555555', type: 'login', at: 9.1e18, data: {} }],
});

/** Two names to JSON, one name to a database: the second was answered 500. */
const HALF_CHARACTERS = String.raw`{"objects":[{"kind":"User","name":"t\ud800","body":{}},{"kind":"User","name":"t\ud801","body":{}}]}`;

/** Inputs that were answered wrongly once, as `npm run fuzz` prints them: each is given to its target in every test run. */
export const REGRESSIONS: readonly { readonly target: string; readonly input: unknown }[] = [
  { target: 'hostile-servers', input: OVERLOADED_PROBES },
  { target: 'texts', input: { reader: 'file', text: 'kind: User\nname: a\nbody:\n  ? { password: x }\n  : 1\n' } },
  { target: 'texts', input: { reader: 'file', text: '!!binary YQ== : 1\n' } },
  { target: 'texts', input: { reader: 'file', text: 'body: { __proto__: 1 }\n' } },
  {
    target: 'admin-local',
    input: {
      method: 'POST',
      path: '/v1/admin/apply',
      headers: { 'content-type': 'application/json' },
      body: HALF_CHARACTERS,
    },
  },
  {
    target: 'device',
    input: {
      method: 'POST',
      path: '/v1/events',
      headers: { 'thinman-protocol': '20261122', 'content-type': 'application/json', authorization: 'Bearer SESSION' },
      body: LATE_EVENT,
    },
  },
];
