import type { Database } from '../../db/database.ts';
import { RefusedError, UnknownNameError } from '../../errors.ts';
import { DatabaseJobs } from '../../jobs/jobs.ts';
import type { Links } from '../links.ts';
import { seeOther, textReply, type Ask, type Reply, type Route } from '../route.ts';
import type { Caller } from '../token.ts';
import { jobPage } from './job-page.ts';
import { jobsPage } from './jobs-page.ts';

/** What the pages of jobs work with. */
export interface JobRouteDeps {
  database: Database;
  links: Links;
  version: string | undefined;
  /** Says who asks, or refuses. Whoever changes something passes it. */
  guard: (ask: Ask) => Caller | Reply;
  /** Whether reading passes it too. */
  isClosed: boolean;
}

const MOST_FORM_BYTES = 16_000;

/** `/jobs`: the list, one job, and what a person can do with it. */
export function createJobRoutes({ database, links, version, guard, isClosed }: JobRouteDeps): Route[] {
  const { run, transaction } = database.hot;
  const read = (path: string, handler: (ask: Ask) => Promise<Reply>): Route => ({
    method: 'get', path,
    handler: (ask) => {
      const caller = isClosed ? guard(ask) : undefined;
      return caller !== undefined && 'status' in caller ? caller : handler(ask);
    },
  });
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
    read('/jobs', (ask) => jobsPage(run, links, version, ask)),
    read('/jobs/:id', (ask) => jobPage(run, links, version, ask)),
    act('cancel', (jobs, id, reason) => {
      if (reason === '' || reason.length > 1000) throw new RefusedError('Say why, in at most 1,000 characters.');
      return jobs.cancel(id, reason);
    }),
    act('requeue', (jobs, id) => jobs.requeue(id)),
  ];
}
