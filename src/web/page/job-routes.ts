import { RefusedError, UnknownNameError } from '../../errors.ts';
import { DatabaseJobs } from '../../jobs/jobs.ts';
import { seeOther, textReply, type Route } from '../route.ts';
import { jobPage } from './job-page.ts';
import { jobsPage } from './jobs-page.ts';
import { readRoute, type PageDeps } from './read-route.ts';

const MOST_FORM_BYTES = 16_000;

/** `/jobs`: the list, one job, and what a person can do with it. */
export function createJobRoutes(deps: PageDeps): Route[] {
  const { database, links, version, guard } = deps;
  const { run, transaction } = database.hot;
  const act = (word: string, does: (jobs: DatabaseJobs, id: string, reason: string) => Promise<unknown>): Route => ({
    method: 'post', path: `/jobs/:id/${word}`,
    handler: async (ask) => {
      const caller = guard(ask);
      if ('status' in caller) return caller;
      const body = await ask.body(MOST_FORM_BYTES);
      if (body === undefined) return textReply('This is no form of ours.', 413);
      const reason = new URLSearchParams(Buffer.from(body).toString('utf8')).get('reason')?.trim() ?? '';
      const id = ask.params.id!;
      try {
        await does(new DatabaseJobs({ run, transaction, by: caller.name === undefined ? 'somebody on the pages' : `person ${caller.name}` }), id, reason);
        return seeOther(links.job(id));
      } catch (error) {
        if (error instanceof UnknownNameError) return textReply(`There is no job ${id}.`, 404);
        if (error instanceof RefusedError) return textReply(error.message, 409);
        throw error;
      }
    },
  });
  return [
    readRoute(deps, '/jobs', (ask) => jobsPage(run, links, version, ask)),
    readRoute(deps, '/jobs/:id', (ask) => jobPage(run, links, version, ask)),
    act('cancel', (jobs, id, reason) => {
      if (reason === '' || reason.length > 1000) throw new RefusedError('Say why, in at most 1,000 characters.');
      return jobs.cancel(id, reason);
    }),
    act('requeue', (jobs, id) => jobs.requeue(id)),
  ];
}
