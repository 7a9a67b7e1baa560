/** How `systemd-creds` seals: by the TPM of this machine, by a key file of it, or by both at once. */
export const SEALS = ['tpm2', 'host+tpm2', 'host'] as const;
export type Seal = (typeof SEALS)[number];
