import { SystemTaskRunner, type RunContext } from '../../src/index.ts';

const READERS = 40;
const ARTICLES = 25;

/** Puts readers into empty stores, so that there is something to find: `reader-1@example.org` is `r-001` in the reading log, and so on. */
export class FillStores extends SystemTaskRunner {
  readonly taskName = 'Fill stores';
  readonly schedule = '0 3 1 1 *';
  override readonly runsAtStart = true;

  async runProcess({ em }: RunContext) {
    const [found] = await em.execute<[{ rows: number }]>(`select count(*)::integer as rows from privacy_account`);
    if (found.rows > 0) return { added: 0 };
    await em.execute(
      `insert into privacy_account (email, full_name, city, since)
       select 'reader-' || n || '@example.org', 'Reader ' || n, (array['Bergen', 'Cádiz', 'Gdańsk'])[1 + n % 3], date '2020-01-01' + n
         from generate_series(1, ?::integer) n`,
      [READERS],
    );
    await em.execute(
      `insert into privacy_reading (reader, article, at)
       select 'r-' || lpad(n::text, 3, '0'), 'article-' || a, timestamptz '2026-01-01' + a * interval '1 day'
         from generate_series(1, ?::integer) n, generate_series(1, ?::integer) a`,
      [READERS, ARTICLES],
    );
    return { added: READERS };
  }
}
