import { careTests } from '../support/care-on-databases.ts';

careTests('mariadb');
