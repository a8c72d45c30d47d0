import { Presets, SingleBar } from 'cli-progress';
import type { Database } from '../db/database.ts';
import { allEntries, statusReport } from '../db/report.ts';
import type { Config } from '../config.ts';

const EVERY_MS = 500;

/** A bar of the entries that are done, on a terminal; elsewhere nothing, the log says it. */
export function showProgress(database: Database, log: Config['log']): { stop(): Promise<void> } {
  if (process.stderr.isTTY !== true || log !== 'plain') return { stop: async () => {} };
  const bar = new SingleBar(
    { format: '{bar} {value}/{total} entries done, {processing} running, {blocked} transients blocked', stream: process.stderr, hideCursor: true, barsize: 30, forceRedraw: true },
    Presets.rect,
  );
  let began = false;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const report = await statusReport(database.em());
    const [entries, { states }] = [allEntries(report), report];
    if (!began) bar.start(entries.total, entries.done, { processing: 0, blocked: 0 });
    began = true;
    bar.setTotal(entries.total);
    bar.update(entries.done, { processing: entries.processing, blocked: states.blocked });
  };
  const timer = setInterval(() => {
    looking ??= look()
      .catch(() => {})
      .finally(() => {
        looking = undefined;
      });
  }, EVERY_MS);
  return {
    async stop() {
      clearInterval(timer);
      await looking;
      if (!began) return;
      await look().catch(() => {});
      bar.stop();
    },
  };
}
