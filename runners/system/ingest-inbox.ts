import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeProblem, readTransientsCsv, saveTransients, SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** A file that was changed less than this ago may still be being written. */
const SETTLED_MS = 5000;

/**
 * Takes in CSV files that were dropped into `inbox/` of the data folder. A file with problems goes to `inbox/refused/` with
 * the list of them beside it, and nothing of it is taken. A file that is taken is remembered in the transaction that takes
 * it, and goes to `inbox/done/` the next time, so that a crash in between loses nothing.
 */
export class IngestInbox extends SystemTaskRunner {
  readonly taskName = 'Ingest inbox';
  readonly schedule = '* * * * *';
  override readonly runsAtStart = true;

  async runProcess({ em, log, clock, dataFolder }: RunContext) {
    const inbox = path.join(dataFolder, 'inbox');
    for (const folder of ['done', 'refused']) await mkdir(path.join(inbox, folder), { recursive: true });
    const counts = { ingested: 0, refused: 0, transients: 0 };
    for (const name of (await readdir(inbox)).filter((file) => file.toLowerCase().endsWith('.csv')).sort()) {
      const file = path.join(inbox, name);
      const { mtime, size } = await stat(file);
      if (clock.now().getTime() - mtime.getTime() < SETTLED_MS) continue;
      const sha256 = createHash('sha256').update(size > MOST_BYTES ? `${size}` : await readFile(file)).digest('hex');
      const [known] = await em.execute<object[]>(`select from ingested_file where sha256 = ?`, [sha256]);
      if (known !== undefined) {
        await rename(file, path.join(inbox, 'done', name));
        continue;
      }
      const { transients, problems } = await readTransientsCsv(file);
      if (problems.length > 0) {
        await writeFile(path.join(inbox, 'refused', `${name}.problems.txt`), `${problems.map(describeProblem).join('\n')}\n`);
        await rename(file, path.join(inbox, 'refused', name));
        log.warn(`${name} is refused: ${problems.length} problems`);
        counts.refused += 1;
        continue;
      }
      await saveTransients(em, transients, 'kept');
      await em.execute(`insert into ingested_file (sha256, name, transients) values (?, ?, ?)`, [sha256, name, transients.length]);
      log.info(`${name}: ${transients.length} transients`);
      counts.ingested += 1;
      counts.transients += transients.length;
    }
    return counts;
  }
}

// Larger files are refused by the reader; they need not be read for their hash.
const MOST_BYTES = 20_000_000;
