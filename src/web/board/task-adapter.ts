import { BaseAdapter } from '@bull-board/api/dist/queueAdapters/base.js';
import type {
  AppJobScheduler, JobSchedulerRepeatOptions, JobSchedulerUpdateResult, JobStatus, MetricsType, QueueJob, QueueMetrics, QueueWorker, RedisStats, Status,
} from '@bull-board/api/typings/app';
import { ConfigError, UnknownNameError } from '../../errors.ts';
import { editSchedule } from '../../schedule/edit-schedule.ts';
import { toBoard } from '../links.ts';
import type { BoardTask } from './catalogue.ts';
import { refusal, withStatus } from './refusal.ts';
import { toScheduler } from './schedules.ts';
import type { Sources } from './sources.ts';
import { noThroughput } from './throughput.ts';
import { worksOn } from './workers.ts';

/** Who the tables say did what is done on the board. */
export const ACTOR = 'board';

/**
 * What all queues of our board have in common: the schedule of the task's runner, daemons, throughput, PostgreSQL. Nothing is
 * ever removed from here, and nothing is added.
 */
export abstract class TaskAdapter extends BaseAdapter {
  protected readonly sources: Sources;
  protected readonly task: BoardTask;

  constructor(sources: Sources, task: BoardTask, options: { allowRetries: boolean }) {
    // The board draws flows and edits schedules for queues of this type alone.
    super('bullmq', { ...options, displayName: task.name, description: task.description });
    this.sources = sources;
    this.task = task;
  }

  getName(): string {
    return toBoard(this.task.name);
  }

  abstract override getJobStatuses(): JobStatus[];

  getStatuses(): Status[] {
    return ['latest', ...this.getJobStatuses()];
  }

  // The schedule of the runner

  async isPaused(): Promise<boolean> {
    return (await this.sources.schedules()).get(this.task.name)?.enabled === false;
  }

  async pause(): Promise<void> {
    await this.#editSchedule(this.task.name, { enabled: false });
  }

  async resume(): Promise<void> {
    await this.#editSchedule(this.task.name, { enabled: true });
  }

  async getJobSchedulers(): Promise<Omit<AppJobScheduler, 'queueName'>[]> {
    const schedule = (await this.sources.schedules()).get(this.task.name);
    return schedule === undefined ? [] : [toScheduler(schedule, this.task.kind === 'system')];
  }

  async getJobSchedulersCount(): Promise<number> {
    return (await this.sources.schedules()).has(this.task.name) ? 1 : 0;
  }

  override get supportsJobSchedulerUpdate(): boolean {
    return true;
  }

  async updateJobScheduler(id: string, { pattern, every, tz }: JobSchedulerRepeatOptions): Promise<JobSchedulerUpdateResult> {
    if (id !== this.getName()) return 'not-found';
    try {
      await this.#editSchedule(this.task.name, { pattern: pattern ?? `every ${Number(every) / 1000} s`, ...(tz === undefined ? {} : { timeZone: tz }) });
      return 'updated';
    } catch (error) {
      if (error instanceof UnknownNameError) return 'not-found';
      if (error instanceof ConfigError) return 'invalid-schedule';
      throw error;
    }
  }

  async removeJobScheduler(): Promise<boolean> {
    throw refusal('remove schedule');
  }

  async runJobSchedulerNow(): Promise<'not-found'> {
    throw refusal('run schedule');
  }

  async #editSchedule(runner: string, change: Parameters<typeof editSchedule>[2]): Promise<void> {
    try {
      await editSchedule(this.sources.em(), runner, change, ACTOR);
    } catch (error) {
      if (error instanceof UnknownNameError) withStatus(error, 404);
      throw error;
    } finally {
      this.sources.schedules.forget();
    }
  }

  // Around the queue

  override async getWorkers(): Promise<QueueWorker[]> {
    return (await this.sources.workers()).filter((worker) => worksOn(worker, this.task)).map(({ shown }) => shown);
  }

  async getMetrics(type: MetricsType): Promise<QueueMetrics> {
    const { at, byTask } = await this.sources.throughput();
    const [present = 0, ...data] = (byTask.get(this.task.name) ?? noThroughput())[type];
    const before = data.reduce((sum, n) => sum + n, 0);
    // The minute that is not over yet is what the total has beyond the one before.
    return { meta: { count: before + present, prevTS: at, prevCount: before }, data, count: data.length };
  }

  async getRedisInfo(): Promise<null> {
    return null;
  }

  override async getDatastoreStats(): Promise<RedisStats> {
    return this.sources.datastore();
  }

  async getGlobalConcurrency(): Promise<null> {
    return null;
  }

  // What the register does not have

  async setGlobalConcurrency(): Promise<void> {
    throw refusal('concurrency');
  }

  async addJob(): Promise<QueueJob> {
    throw refusal('add');
  }

  async clean(): Promise<void> {
    throw refusal('clean');
  }

  async empty(): Promise<void> {
    throw refusal('empty');
  }

  async obliterate(): Promise<void> {
    throw refusal('obliterate');
  }

  async promoteAll(): Promise<void> {
    throw refusal('promote');
  }

  // What the board's flow asks a queue of its type for, without declaring it

  getQueueName(): string {
    return this.getName();
  }

  getQueueQualifiedName(): string {
    return this.getName();
  }
}
