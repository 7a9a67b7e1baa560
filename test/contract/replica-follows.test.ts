import { sqliteLab } from '../support/sqlite-lab.ts';
import { replicaFollowsContract } from './replica-follows.ts';

replicaFollowsContract('SQLite', sqliteLab, 100);
