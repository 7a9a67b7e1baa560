import { ApproveRequest, parseValue, ReplaceRequest, WipeRequest } from '@thinman/protocol';
import type { AdminDeps } from './admin-deps.ts';
import { approveDevice } from './approve-device.ts';
import { replaceDevice } from './replace-device.ts';
import { type AdminRoute, badRequest } from './route.ts';
import { unknownDevices } from './unknown-devices.ts';
import { wipeDevice } from './wipe-device.ts';

/** Devices by their keys: who waits for approval, and whose place is taken. */
export function deviceRoutes(deps: AdminDeps): readonly AdminRoute[] {
  return [
    { method: 'GET', url: '/unknown-devices', needs: 'viewer', handle: () => unknownDevices(deps) },
    {
      method: 'POST',
      url: '/devices/approve',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseValue(ApproveRequest, body);
        return parsed.ok ? approveDevice(deps, actor, parsed.value) : badRequest(parsed.problems);
      },
    },
    {
      method: 'POST',
      url: '/devices/replace',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseValue(ReplaceRequest, body);
        return parsed.ok ? replaceDevice(deps, actor, parsed.value) : badRequest(parsed.problems);
      },
    },
    {
      method: 'POST',
      url: '/devices/wipe',
      needs: 'owner',
      handle({ actor, body }) {
        const parsed = parseValue(WipeRequest, body);
        return parsed.ok ? wipeDevice(deps, actor, parsed.value.device) : badRequest(parsed.problems);
      },
    },
  ];
}
