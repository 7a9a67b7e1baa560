import { databaseLabSuite } from './database-lab.ts';

databaseLabSuite('mysql');
