import { slaveContract } from '../contract/source-of-record-slave.ts';

slaveContract('MySQL 9', 'mysql');
