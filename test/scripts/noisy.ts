// Runs one script in a process of its own, so that what that costs in memory can be measured: `node noisy.ts <script> <folders>`.
import { runScript } from '../../src/scripts/run-script.ts';

const [, , script = '', folders = ''] = process.argv;
const before = process.memoryUsage.rss();
const startedMs = performance.now();
let lines = 0;
const { ended } = await runScript({ script, folders, onLine: () => (lines += 1) });
process.stdout.write(JSON.stringify({ ended, lines, beforeMiB: before / 2 ** 20, peakMiB: process.resourceUsage().maxRSS / 1024, seconds: (performance.now() - startedMs) / 1000 }));
