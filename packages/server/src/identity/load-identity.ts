import type { SignedStatement } from '@thinman/protocol';
import type { Logger } from 'pino';
import type { ServerConfig } from '../config.ts';
import type { CertificateAuthority, Clock, ServerIdentity, SessionTokens, SiteDataKey } from '../ports.ts';
import { openCertificateAuthority } from './certificate-authority.ts';
import { openDataKey } from './data-key.ts';
import { IdentityDamaged, loadIdentityFiles, loadStatementFile, saveStatementFile, toPem } from './identity-files.ts';
import { keyHashOf } from './key-hash.ts';
import { createSessionTokens } from './session-tokens.ts';
import { createStatementHolder, readHeldStatement, type StatementHolder } from './statement-holder.ts';

/** Everything that follows from the files in a server's identity folder. */
export type LoadedIdentity = {
  readonly identity: ServerIdentity;
  readonly dataKey: SiteDataKey;
  readonly sessions: SessionTokens;
  readonly statements: StatementHolder;
  /** Where the CA's key lies: on the Primary. */
  readonly authority: CertificateAuthority | undefined;
};

/** Throws IdentityDamaged. */
export function loadIdentity(
  dataFolder: string,
  config: ServerConfig,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): LoadedIdentity {
  const { siteId, instance, name } = config;
  const { keys, site } = loadIdentityFiles(dataFolder);
  const { caCertificates, certificatePem, caKeyPem } = site;
  const held = readHeldStatement(loadStatementFile(dataFolder), caCertificates);
  if (held === undefined) {
    throw new IdentityDamaged(
      `the site statement in ${dataFolder}/identity is not valid; put it back from a backup, or join this server anew`,
    );
  }
  const dataKey = openDataKey(site.dataKey, siteId);
  site.dataKey.fill(0);
  const [caPem] = caCertificates;
  const save = (signed: SignedStatement) => {
    try {
      saveStatementFile(dataFolder, signed);
    } catch (error) {
      // Held in this process all the same; the source of record has it too.
      log.error({ err: error }, 'the site statement cannot be written down');
    }
  };
  return {
    identity: {
      ...{ siteId, instance, name, caCertificates },
      keyHash: keyHashOf(keys.tls),
      tls: { keyPem: toPem(keys.tls), certificatePem },
    },
    dataKey,
    sessions: createSessionTokens(siteId, name, keys.session, clock),
    statements: createStatementHolder(held, caCertificates, save),
    authority:
      caKeyPem === undefined || caPem === undefined ? undefined : openCertificateAuthority(caKeyPem, caPem, clock),
  };
}
