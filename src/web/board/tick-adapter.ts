import type { JobCounts, JobStatus } from '@bull-board/api/typings/app';
import { lines, stamp } from './attempt-log.ts';
import type { BoardTask } from './catalogue.ts';
import { noCounts } from './entry-counts.ts';
import type { JobStateName } from './job-state.ts';
import type { Sources } from './sources.ts';
import { TaskAdapter } from './task-adapter.ts';
import { TickJob } from './tick-job.ts';
import { readTick, tickPage } from './tick-rows.ts';

/** A task without an object, as a queue of the board: a job is a tick of its runner. */
export class TickAdapter extends TaskAdapter {
  constructor(sources: Sources, task: BoardTask) {
    super(sources, task, { allowRetries: false });
  }

  getJobStatuses(): JobStatus[] {
    return ['active', 'completed', 'failed'];
  }

  async getJobCounts(): Promise<JobCounts> {
    const { active, completed, failed } = (await this.sources.tickCounts()).get(this.task.name) ?? noCounts();
    return { active, completed, failed } as JobCounts;
  }

  async getJobs(states: JobStatus[], start = 0, end = -1): Promise<TickJob[]> {
    const count = end < start ? 1000 : end - start + 1;
    const rows = await tickPage(this.sources.em(), this.task.name, states as JobStateName[], start, count);
    return rows.map((row) => new TickJob(row));
  }

  async getJob(id: string): Promise<TickJob | undefined> {
    const row = await readTick(this.sources.em(), this.task.name, id);
    return row === undefined ? undefined : new TickJob(row);
  }

  async getJobLogs(id: string): Promise<string[]> {
    const row = await readTick(this.sources.em(), this.task.name, id);
    if (row === undefined) return [];
    const why = row.error?.message === undefined ? '' : `: ${row.error.name ?? 'Error'}: ${row.error.message}`;
    return [
      `${stamp(row.started_at)} ── tick ${row.id}${row.host === null ? '' : ` on ${row.host}:${row.pid}`}`,
      ...lines(row.log),
      ...(row.ended_at === null ? [] : [`${stamp(row.ended_at)} ${row.outcome}${why}`]),
    ];
  }

  /** A tick stands alone. */
  async getFlowProducer(): Promise<null> {
    return null;
  }
}
