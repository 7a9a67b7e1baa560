#!/usr/bin/env node
import { run } from './command.js';

// As everybody writes it; what else may be said of a start is read by what reads all commands.
const [verb, option, dataDir, ...more] = process.argv.slice(2);
const isPlainStart = verb === 'start' && option === '--data' && more.length === 0 && /^[^-]/.test(dataDir ?? '');
await run('thinman-agent', isPlainStart ? 'thinman-agent-start' : 'thinman-agent');
