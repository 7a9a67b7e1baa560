import { sqliteLab } from '../support/sqlite-lab.ts';
import { sourceOfRecordContract } from './source-of-record.ts';

sourceOfRecordContract('SQLite', sqliteLab);
