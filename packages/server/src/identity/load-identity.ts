import type { KeyObject } from 'node:crypto';
import type { SignedStatement } from '@thinman/protocol';
import type { Logger } from 'pino';
import { ConfigError, type ServerConfig } from '../config.ts';
import type { CertificateAuthority, Clock, SessionTokens } from '../ports.ts';
import { type CaKeys, openCaKeys, placeCaKeys, removeCaKeys } from './ca-keys.ts';
import { type DataKeyHolder, holdDataKey } from './data-key-holder.ts';
import {
  IdentityDamaged,
  identityFolder,
  loadIdentityFiles,
  loadRivalFile,
  loadStatementFile,
  saveCaCertificates,
  saveDataKey,
  saveRivalFile,
  saveServerCertificate,
  saveStatementFile,
  toPem,
} from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';
import { createOwnIdentity, type OwnIdentity } from './own-identity.ts';
import { rawPublicKey } from './raw-keys.ts';
import { createSessionTokens } from './session-tokens.ts';
import { createSiteAuthority } from './site-authority.ts';
import { createStatementHolder, readHeldStatement, type StatementHolder } from './statement-holder.ts';

/** Everything that follows from the files in a server's identity folder. */
export type LoadedIdentity = {
  readonly own: OwnIdentity;
  readonly dataKeys: DataKeyHolder;
  readonly sessions: SessionTokens;
  readonly statements: StatementHolder;
  readonly ca: CaHolder;
};

/** Where the CAs' keys lie: on the Primary, and on who becomes it. */
export type CaHolder = {
  held(): { readonly keys: CaKeys; readonly authority: CertificateAuthority } | undefined;
  /** Keys that a recovery code has opened, an older CA's first; on disk when it returns. Gives how to take them back. */
  place(keys: readonly KeyObject[]): () => void;
};

function holdCa(folder: string, authorityOf: (keys: CaKeys) => CertificateAuthority): CaHolder {
  const load = () => {
    const keys = openCaKeys(folder);
    return keys && { keys, authority: authorityOf(keys) };
  };
  let held = load();
  return {
    held: () => held,
    place(keys) {
      const before = held;
      placeCaKeys(folder, keys);
      held = load();
      return () => {
        // Of a server that had keys, these are the same ones, or newer.
        if (before !== undefined) return;
        removeCaKeys(folder);
        held = undefined;
      };
    },
  };
}

/** Throws IdentityDamaged; ConfigError where `config` is of another site than the identity. */
export function loadIdentity(
  dataFolder: string,
  config: ServerConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): LoadedIdentity {
  const { siteId, instance, name } = config;
  const { keys, site } = loadIdentityFiles(dataFolder);
  const { caCertificates, certificatePem } = site;
  const held = readHeldStatement(loadStatementFile(dataFolder), caCertificates);
  if (held === undefined) {
    throw new IdentityDamaged(
      `the site statement in ${dataFolder}/identity is not valid; put it back from a backup, or join this server anew`,
    );
  }
  // Before anything is opened by that id: a journal and a replica of the identity's own site would be set aside.
  if (held.statement.siteId !== siteId) {
    throw new ConfigError(
      `server.json in ${dataFolder} is of the site ${siteId}, the identity beside it of ${held.statement.siteId}: put the server.json back that belongs there`,
    );
  }
  /** What is held in this process all the same; the source of record has it too. */
  const tryTo = (write: () => void, what: string): boolean => {
    try {
      write();
      return true;
    } catch (error) {
      log.error({ err: error }, `${what} cannot be written down`);
      return false;
    }
  };
  const dataKeys = holdDataKey(site.dataKey, {
    ...{ siteId, wrappingKey: keys.wrapping },
    save: dataKey => tryTo(() => saveDataKey(dataFolder, dataKey), 'the data key'),
  });
  site.dataKey.fill(0);
  const save = (signed: SignedStatement) => tryTo(() => saveStatementFile(dataFolder, signed), 'the site statement');
  const rivalText = loadRivalFile(dataFolder);
  const rival = rivalText === undefined ? undefined : readHeldStatement(rivalText, caCertificates);
  const saveRival = (signed: SignedStatement) => tryTo(() => saveRivalFile(dataFolder, signed), 'a rival statement');
  const tls = { keyPem: toPem(keys.tls), certificatePem };
  const own = createOwnIdentity(
    {
      ...{ siteId, instance, name, caCertificates, tls },
      ...{ keyHash: keyHashOf(keys.tls), wrappingKey: rawPublicKey(keys.wrapping) },
    },
    {
      certificate: pem => saveServerCertificate(dataFolder, pem),
      caCertificates: pems => tryTo(() => saveCaCertificates(dataFolder, pems), 'the CAs of the site'),
    },
  );
  const trusted = () => own.identity.caCertificates;
  return {
    own,
    dataKeys,
    sessions: createSessionTokens(siteId, name, keys.session, clock),
    statements: createStatementHolder({ held, rival }, trusted, { save, saveRival }),
    ca: holdCa(identityFolder(dataFolder), keys => createSiteAuthority(keys, trusted, clock)),
  };
}
