import { slaveContract } from '../contract/source-of-record-slave.ts';

slaveContract('MariaDB', 'mariadb');
