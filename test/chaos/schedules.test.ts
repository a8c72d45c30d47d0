import { expect, it } from 'vitest';
import { createDatabaseAddress, urlOf } from '../harness.ts';
import { run } from './schedules.ts';

// Two minutes of it, with a database that is stopped too: `npm run chaos`.
it('three daemons with schedules of one second account for every slot once, though one is killed', async () => {
  const lines: string[] = [];
  await run({ seconds: 7, log: (line) => lines.push(line), url: urlOf(await createDatabaseAddress()) });
  // It may be frozen for a while, too.
  expect(lines.filter((line) => !line.includes('was frozen'))).toEqual([
    expect.stringMatching(/^daemon \d was killed/),
    ...['Cron', 'Interval', 'Busy'].map((name) => expect.stringMatching(new RegExp(`^"${name}": \\d+ slots fired, \\d+ caught up, \\d+ missed`))),
  ]);
}, 60_000);
