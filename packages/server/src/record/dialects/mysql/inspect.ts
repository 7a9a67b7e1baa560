import { type DatabaseFinding, DatabaseUnfit } from '../../errors.ts';
import type { SqlConnection } from './connection.ts';
import { alteredTables, missingRights, needlessRights, shortPackets, weakDurability } from './fitness.ts';
import type { ServerFacts } from './session.ts';

export type InspectorOptions = {
  readonly database: string;
  /** How it is named to people. */
  readonly where: string;
  /** A Secondary's. */
  readonly readOnly: boolean;
  readonly acceptWeakDurability: boolean;
  /** What is wrong, and yet no reason not to use it; told once for each server. */
  readonly onFinding: (where: string, finding: DatabaseFinding) => void;
};

/**
 * Looks at what a server of the database gives this one. Durability at every connection, because settings change while a
 * database runs and when it restarts; the rest once for each server that is met. Throws DatabaseUnfit.
 */
export function createInspector(options: InspectorOptions) {
  const { database, where, readOnly, acceptWeakDurability, onFinding } = options;
  const inspected = new Set<string>();

  const mustNotBe = (finding: DatabaseFinding | undefined) => {
    if (finding !== undefined) throw new DatabaseUnfit(where, finding);
  };
  const shouldNotBe = (finding: DatabaseFinding | undefined) => {
    if (finding !== undefined) onFinding(where, finding);
  };

  return async (connection: SqlConnection, facts: ServerFacts): Promise<void> => {
    const weak = readOnly ? undefined : weakDurability(facts);
    if (!acceptWeakDurability) mustNotBe(weak);
    if (inspected.has(facts.serverId)) return;
    const about = { database, facts };
    if (readOnly) {
      shouldNotBe(await needlessRights(connection, about));
    } else {
      shouldNotBe(weak);
      shouldNotBe(shortPackets(facts));
      mustNotBe(await missingRights(connection, about));
      mustNotBe(await alteredTables(connection));
    }
    inspected.add(facts.serverId);
  };
}
