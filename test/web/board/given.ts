import { Hono } from 'hono';
import type { Database } from '../../../src/db/database.ts';
import { createBoard } from '../../../src/web/board/board.ts';
import { linksOf, toBoard } from '../../../src/web/links.ts';

/** A job as the board's API gives it. */
export interface ApiJob {
  id: string;
  name: string;
  timestamp: number;
  processedOn?: number;
  finishedOn?: number;
  processedBy?: string;
  progress: number;
  attempts: number;
  failedReason: string;
  stacktrace: string[];
  isFailed: boolean;
  delay: number;
  opts: Record<string, unknown> & { register: Record<string, unknown> };
  data: Record<string, unknown>;
  returnValue: unknown;
  priority?: number;
}

export interface ApiQueue {
  name: string;
  displayName: string;
  description?: string;
  counts: Record<string, number>;
  statuses: string[];
  jobs: ApiJob[];
  pagination: { pageCount: number };
  isPaused: boolean;
  allowRetries: boolean;
  hasWorkers: boolean;
  jobSchedulerCount: number;
}

export interface ApiError {
  error: { key: string };
  message?: string;
}

/** The board of a database, every answer compared with what its pages expect. */
export function givenBoard(database: Database, order: readonly string[] = []) {
  const app = new Hono({ strict: false });
  app.route('/board', createBoard({ database, order, links: linksOf(''), path: '/board', validateResponses: true }));
  const ask = async (method: string, url: string, body?: object) => {
    const reply = await app.request(`/board/api${url}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) });
    const text = await reply.text();
    return { status: reply.status, body: (text === '' ? undefined : JSON.parse(text)) as unknown };
  };
  const get = async <T>(url: string): Promise<T> => {
    const { status, body } = await ask('GET', url);
    if (status !== 200) throw new Error(`${url}: ${status} ${JSON.stringify(body)}`);
    return body as T;
  };
  const part = (name: string) => encodeURIComponent(toBoard(name));
  return {
    app,
    ask,
    get,
    queues: async (): Promise<ApiQueue[]> => (await get<{ queues: ApiQueue[] }>('/queues')).queues,
    /** A page of a queue's jobs in one state. */
    async queue(name: string, state: string, page = 1, jobsPerPage = 10): Promise<ApiQueue> {
      const { queues } = await get<{ queues: ApiQueue[] }>(`/queues?activeQueue=${part(name)}&status=${state}&page=${page}&jobsPerPage=${jobsPerPage}`);
      return queues.find((queue) => queue.name === toBoard(name))!;
    },
    job: (queue: string, id: string): Promise<{ job: ApiJob; status: string }> => get(`/queues/${part(queue)}/${part(id)}`),
    logs: (queue: string, id: string): Promise<string[]> => get(`/queues/${part(queue)}/${part(id)}/logs`),
    put: (url: string, body?: object) => ask('PUT', url, body),
  };
}
