import { Argument } from 'commander';
import { saveTransients } from '../db/save-transients.ts';
import { FileProblemsError } from '../errors.ts';
import { readTransientsCsv } from '../fixtures/read-csv.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

/** `afterglow ingest`: transients from a CSV file. */
export const ingestCommand = () =>
  queueable(command(
    'ingest',
    'take in transients from a CSV file',
    'Takes in transients: columns name, ra, dec (ICRS; degrees, or hours:minutes:seconds and degrees:minutes:seconds), and if you like redshift, class and public_timestamp; empty or None where unknown. Known transients keep what the file does not say, and what a person edited; what depends on a figure that changed is done again. If a line is bad, all bad lines are listed and nothing is taken.',
  ))
    .addArgument(new Argument('<file>', 'the CSV file, with a header line'))
    .option('--dry-run', 'only check the file')
    .option('--json', 'what was added, changed and left alone, as JSON')
    .action(async (file: string, options: CommonOptions & { json?: true; dryRun?: true }) => {
      const { transients, problems } = await readTransientsCsv(file);
      if (problems.length > 0) throw new FileProblemsError(problems);
      if (options.dryRun) return print(`${plural(transients.length, 'transient')} would be taken.`);
      const saved = await withHome(options, ({ database }) => database.em().transactional((em) => saveTransients(em, transients, 'kept')));
      if (options.json) return printJson(saved);
      const { again = [], ...counts } = saved;
      print(Object.entries(counts).map(([what, names]) => `${Array.isArray(names) ? names.length : String(names)} ${what}`).join(', '));
      if (again.length > 0) print(`${plural(again.length, 'entry')} done again, because ${again.length === 1 ? 'it depends' : 'they depend'} on figures that changed.`);
    });
