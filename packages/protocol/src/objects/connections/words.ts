type TypeName = 'rdp' | 'citrix' | 'horizon' | 'avd' | 'web' | 'ssh' | 'vnc';

/** What a type of connection is, for people. */
export const CONNECTION_TYPE_WORDS: Readonly<Record<TypeName, string>> = {
  rdp: 'Remote Desktop: a host, or one application on it (RemoteApp), directly or through an RD gateway.',
  citrix: 'Citrix: a StoreFront, an application of it, or an .ica file. One of `storeUrl` and `icaUrl`.',
  horizon: 'Omnissa (VMware) Horizon: a desktop or an application, not both.',
  avd: 'Azure Virtual Desktop and Windows 365.',
  web: 'A page in the browser.',
  ssh: 'A terminal on a host.',
  vnc: 'A screen by VNC.',
};

/** What a field says, for people, by its name; by `type.name` where it says something else in that type. */
export const CONNECTION_FIELD_WORDS: Readonly<Record<string, string>> = {
  name: 'By which it is opened, replaced by a stronger profile, and named as a fallback.',
  type: 'What it is.',
  title: 'What people read; left out: the name.',
  autostart: 'Opened as soon as its user is signed in.',
  order: 'Its place on the screen: lower first, then by name; left out: last.',
  reconnect:
    'When it is opened again by itself: never (left out), on-failure: when it drops, always: also when its user closed it.',
  fallback: 'Another connection, by name, that is opened when this one cannot be.',
  sso: 'The name and the password of the login go to the other side.',
  fullscreen: 'Over the whole screen.',
  monitors: 'On the first monitor, or on all.',
  clipboard: 'Copy and paste between here and there.',
  drives: 'Disks and sticks of the device are there as well.',
  printers: 'Printers of the device are there as well.',
  smartCards: 'Smart cards in the device are there as well.',
  usb: 'USB devices go there.',
  microphone: 'The microphone goes there.',
  camera: 'The camera goes there.',
  audio: 'Where sound is played: here, there, or nowhere.',
  host: 'Where it is.',
  port: "Left out: the protocol's own.",
  user: 'Whom to sign in as; left out: whoever is signed in here if `sso`, else the client asks.',
  'ssh.user': 'Whom to sign in as; left out: the user of the device under whom the client runs.',
  'avd.user': 'User principal name to propose.',
  domain: 'Windows domain of the user.',
  remoteApp: 'Alias of a RemoteApp, without the leading `||`; left out: the whole desktop.',
  remoteAppArguments: 'What the RemoteApp is started with.',
  gateway: 'The RD gateway through which the host is reached, always.',
  loadBalanceInfo: 'How a broker finds the collection.',
  security: 'nla (left out): the server proves itself and the user before a session is made.',
  certificate:
    'trusted (left out): only a certificate that the device trusts; first-use: the first that is seen, and then no other.',
  colorDepth: 'Bits a pixel; left out: as the client and the host agree.',
  dynamicResolution: 'The session takes another size when its window does.',
  storeUrl: 'Of the StoreFront.',
  application: 'What is opened, as the other side calls it.',
  'citrix.application': 'What of the store is opened, as it calls it; left out: the store itself.',
  icaUrl: 'Where an .ica file is fetched.',
  desktop: 'What is opened, as the other side calls it.',
  protocol: 'Of the screen; left out: as the server wants it.',
  workspaceUrl:
    'Of the workspace, which is subscribed to where not all of `workspaceId`, `resource` and `user` are given.',
  workspaceId: 'Object id of the workspace. With `resource` and `user`, that is opened at once.',
  resource: 'Object id of what is opened, with `workspaceId` and `user`.',
  url: 'The page.',
  kiosk: 'The page alone, over the whole screen.',
  private: 'Nothing of it outlives the window.',
  zoomPercent: 'Size of the page.',
  command: 'Run there in the place of a shell.',
  viewOnly: 'Keyboard and mouse stay here.',
};

/**
 * Fields that a type takes, and that its client on Linux is not told: it has no word for them, or its administrator's side decides
 * (Citrix and Horizon: policies there). A test of the agent holds this against the launchers.
 */
export const NOT_TOLD_TO_CLIENT: Readonly<Partial<Record<TypeName, readonly string[]>>> = {
  citrix: [
    ...['sso', 'fullscreen', 'monitors', 'domain'],
    ...['clipboard', 'drives', 'printers', 'smartCards', 'usb', 'microphone', 'camera', 'audio'],
  ],
  horizon: ['clipboard', 'drives', 'printers', 'smartCards', 'microphone', 'camera', 'audio'],
  avd: ['fullscreen', 'monitors'],
};
