import type { JobCounts, JobStatus } from '@bull-board/api/typings/app';
import { RefusedError } from '../../errors.ts';
import { resetEntries, retryEntries, type EntryFilter, type ResetEntry } from '../../engine/reset.ts';
import type { Status } from '../../status/status.ts';
import { fromBoard } from '../links.ts';
import { attemptLog } from './attempt-log.ts';
import type { BoardTask } from './catalogue.ts';
import { noCounts } from './entry-counts.ts';
import { entryPage, latestEntries } from './entry-page.ts';
import { readEntries, readEntry, readSubject, type BoardEntry } from './entry.ts';
import { flowTree, type FlowNode } from './flow.ts';
import { STATES, statusState, type JobStateName } from './job-state.ts';
import { RegisterJob } from './register-job.ts';
import { withStatus } from './refusal.ts';
import type { Sources } from './sources.ts';
import { ACTOR, TaskAdapter } from './task-adapter.ts';

/** A task that objects go through, as a queue of the board: a job is an entry of the register. */
export class RegisterAdapter extends TaskAdapter {
  constructor(sources: Sources, task: BoardTask) {
    super(sources, task, { allowRetries: true });
  }

  getJobStatuses(): JobStatus[] {
    return [...STATES];
  }

  async getJobCounts(): Promise<JobCounts> {
    return ((await this.sources.entryCounts()).get(this.task.id) ?? noCounts()) as JobCounts;
  }

  async getJobs(states: JobStatus[], start = 0, end = -1): Promise<RegisterJob[]> {
    const count = end < start ? 1000 : end - start + 1;
    const em = this.sources.em();
    const { catalogue } = this.sources;
    const wanted = states.filter((state): state is JobStateName => STATES.includes(state as JobStateName));
    if (wanted.length === 0) return [];
    const ids = wanted.length === 1
      ? await entryPage(em, this.task, catalogue, wanted[0]!, start, count)
      : await latestEntries(em, this.task, catalogue, count);
    return (await readEntries(em, this.task.id, ids)).map((entry) => this.#job(entry));
  }

  async getJob(id: string): Promise<RegisterJob | undefined> {
    const entry = await readEntry(this.sources.em(), this.task.id, this.task.kind, fromBoard(id));
    return entry === undefined ? undefined : this.#job(entry);
  }

  async getJobLogs(id: string): Promise<string[]> {
    return attemptLog(this.sources.em(), this.task.id, this.task.kind, fromBoard(id));
  }

  /**
   * Has all entries in a state done again.
   *
   * @returns how many
   */
  async retryAll(state: 'completed' | 'failed'): Promise<number> {
    const wanted = [...this.sources.catalogue.statuses].filter(([id, status]) => statusState(this.task, id, status) === state).map(([, status]) => status);
    return (await this.#sendBack({ tasks: [this.task.name] }, wanted)).length;
  }

  /** What the board's flow asks a queue of its type for, without declaring it. */
  async getFlowProducer(): Promise<{ getFlow(wanted: { id: string; depth: number }): Promise<FlowNode | undefined> }> {
    return {
      getFlow: async ({ id, depth }) => flowTree(this.sources.flow, await this.#jobsOf(id), this.task.name, depth),
    };
  }

  /** The jobs of one object, by task. */
  async #jobsOf(id: string): Promise<Map<string, RegisterJob>> {
    const { catalogue, em } = this.sources;
    const tasks = new Map(catalogue.tasks.map((task) => [task.id, task]));
    const jobs = new Map<string, RegisterJob>();
    for (const entry of await readSubject(em(), this.task.kind, fromBoard(id))) {
      const task = tasks.get(entry.task_id);
      if (task !== undefined) jobs.set(task.name, this.#job(entry, task));
    }
    for (const [task, job] of jobs) job.dependencies = this.#dependencies(task, jobs);
    return jobs;
  }

  // The board draws "more to load" where a job has fewer children than prerequisites, so those that are only drawn further down do not count.
  #dependencies(task: string, jobs: ReadonlyMap<string, RegisterJob>): RegisterJob['dependencies'] {
    const counts = { processed: 0, unprocessed: 0, failed: 0 };
    for (const child of this.sources.flow.childrenOf(task)) {
      const state = jobs.get(child)?.state;
      if (state === 'completed') counts.processed += 1;
      else if (state === 'failed') counts.failed += 1;
      else if (state !== undefined) counts.unprocessed += 1;
    }
    return counts;
  }

  #job(entry: BoardEntry, task = this.task): RegisterJob {
    const { catalogue, flow } = this.sources;
    return new RegisterJob({ task, statuses: catalogue.statuses, parent: flow.parentOf(task.name), retry: (job) => this.#retry(task.name, job) }, entry);
  }

  async #retry(task: string, { entry: { name }, state, status }: RegisterJob): Promise<void> {
    // Only while it still has the status that was looked at.
    const sent = await this.#sendBack({ subjects: [name], tasks: [task] }, status === undefined ? [] : [status]);
    if (sent.length === 0) throw withStatus(new RefusedError(`"${task}" of ${name} is no longer ${state}; nothing was changed.`), 409);
  }

  /** What failed is retried, anything else is reset: the log of transitions says which. */
  async #sendBack(filter: EntryFilter, statuses: readonly Status[]): Promise<ResetEntry[]> {
    const messages = (failed: boolean) => statuses.filter(({ type }) => (type === 'error') === failed).map(({ message }) => message);
    const em = this.sources.em();
    try {
      const retried = messages(true).length === 0 ? [] : await retryEntries(em, { ...filter, statuses: messages(true) }, ACTOR);
      const reset = messages(false).length === 0 ? [] : await resetEntries(em, { ...filter, statuses: messages(false) }, ACTOR);
      return [...retried, ...reset];
    } finally {
      this.sources.entryCounts.forget();
    }
  }
}
