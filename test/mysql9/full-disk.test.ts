import { fullDiskOnHalf } from '../support/redundant-full-disk.ts';

fullDiskOnHalf('mysql');
