import { WarnOfDeadlines, type TaskRunner } from '../../src/index.ts';
import { DeleteRows } from './delete-rows.ts';
import { ExportRows } from './export-rows.ts';
import { FillStores } from './fill-stores.ts';
import { ACCOUNTS, READING_LOG } from './stores.ts';
import { WriteLetter } from './write-letter.ts';

export { migrations } from './stores.ts';

const forPeople = [
  new DeleteRows(ACCOUNTS),
  // Whoever reads on while the account is deleted leaves new rows, so this comes last; it goes through large files, so once a week.
  new DeleteRows(READING_LOG, { runsLast: true, batch: 'weekly' }),
  new ExportRows(ACCOUNTS),
  new ExportRows(READING_LOG),
];

/** What a small newspaper does when a reader asks for their data, or to be forgotten. */
export const periodicRunners: readonly TaskRunner[] = [...forPeople, new WriteLetter(forPeople.map(({ taskName }) => taskName)), new FillStores(), new WarnOfDeadlines()];
