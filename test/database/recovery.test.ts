import { recoveryTests } from '../support/recovery-on-databases.ts';

recoveryTests('mariadb');
