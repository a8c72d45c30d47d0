import type { QueueJob, QueueJobJson } from '@bull-board/api/typings/app';
import { oneOf } from '../../runner/prerequisites.ts';
import type { Status } from '../../status/status.ts';
import { toBoard } from '../links.ts';
import type { BoardTask, Catalogue } from './catalogue.ts';
import type { BoardEntry } from './entry.ts';
import { stateOf, type JobStateName } from './job-state.ts';
import { refusal } from './refusal.ts';
import { stackOf } from './stack.ts';

/** What a job needs to know around its entry. */
export interface JobSetting {
  task: BoardTask;
  statuses: Catalogue['statuses'];
  /** The task whose job stands above this one in the flow. */
  parent: string | undefined;
  /** Sends the entry back to be done again. */
  retry(job: RegisterJob): Promise<void>;
}

/** An entry of the register as a job of the board. Its id is the subject's name, its name the status. */
export class RegisterJob implements QueueJob {
  readonly entry: BoardEntry;
  readonly state: JobStateName;
  readonly status: Status | undefined;
  readonly id: string;
  readonly name: string;
  /** What the flow finds the queue by. */
  readonly queueName: string;
  readonly queueQualifiedName: string;
  readonly opts: QueueJob['opts'] & Record<string, unknown>;
  /** Per cent. */
  readonly progress: number;
  /** Counts of prerequisites for the flow; filled where the other entries of the subject are known. */
  dependencies: { processed: number; unprocessed: number; failed: number } | undefined;
  readonly #setting: JobSetting;

  constructor(setting: JobSetting, entry: BoardEntry) {
    const { task, statuses, parent } = setting;
    const status = statuses.get(entry.status_id);
    this.#setting = setting;
    this.entry = entry;
    this.status = status;
    this.state = stateOf(task, { statusId: entry.status_id, ready: entry.ready, due: entry.due_at !== null }, statuses);
    this.id = toBoard(entry.name);
    // The board shows the id, which is the subject's name, beside it.
    this.name = status?.message ?? `status ${entry.status_id}`;
    this.queueName = toBoard(task.name);
    this.queueQualifiedName = this.queueName;
    this.progress = this.state === 'completed' ? 100 : Math.round((this.state === 'active' ? (entry.progress ?? 0) : 0) * 100);
    const due = msOf(entry.due_at);
    this.opts = {
      delay: this.state === 'delayed' && due !== undefined ? Math.max(0, due - Date.now()) : 0,
      ...(parent === undefined ? {} : { parent: { id: this.id, queue: toBoard(parent) } }),
      register: registerColumns(entry, status?.message, status?.type),
      ...(task.requirements.length === 0 ? {} : { prerequisites: Object.fromEntries(task.requirements.map((requirement) => [requirement.task, oneOf(requirement.statuses)])) }),
    };
  }

  async getState(): Promise<JobStateName> {
    return this.state;
  }

  toJSON(): QueueJobJson {
    const { entry, state } = this;
    const ran = state === 'active' || state === 'completed' || state === 'failed';
    const failed = state === 'failed';
    return {
      id: this.id,
      name: this.name,
      progress: this.progress,
      attemptsMade: entry.attempt,
      timestamp: msOf(entry.created_at) ?? 0,
      processedOn: ran ? msOf(entry.started_at) : undefined,
      finishedOn: ran && state !== 'active' ? (msOf(entry.ended_at) ?? msOf(entry.last_modified)) : undefined,
      processedBy: ran && entry.host !== null ? `${entry.host}:${entry.pid}` : undefined,
      // From the time that the board shows as "added", so that it adds up to when it is due.
      delay: state === 'delayed' ? (msOf(entry.due_at) ?? 0) - (msOf(entry.created_at) ?? 0) : 0,
      failedReason: failed ? [this.status?.message, entry.error?.message].filter(Boolean).join(': ') : '',
      stacktrace: failed ? [stackOf(entry.error)].filter(Boolean) : [],
      data: entry.subject,
      returnvalue: entry.result,
      opts: this.opts,
      priority: entry.priority,
    };
  }

  async retry(): Promise<void> {
    await this.#setting.retry(this);
  }

  async getDependenciesCount(): Promise<{ processed?: number; unprocessed?: number; failed?: number }> {
    return this.dependencies ?? {};
  }

  async promote(): Promise<void> {
    throw refusal('promote');
  }

  async remove(): Promise<void> {
    throw refusal('remove');
  }
}

function registerColumns(entry: BoardEntry, status: string | undefined, type: string | undefined): Record<string, unknown> {
  const columns = {
    status,
    type,
    unmet: entry.unmet,
    held: entry.held,
    holds: entry.holds,
    failure: entry.failure ?? undefined,
    reason: entry.reason ?? undefined,
    attempt: entry.attempt,
    setbacks: entry.setbacks,
    lease_until: iso(entry.lease_until),
    due_at: iso(entry.due_at),
    warning: entry.warning,
    cause: entry.cause,
    actor: entry.actor,
    last_modified: iso(entry.last_modified),
    wall_seconds: entry.wall_seconds,
    cpu_seconds: entry.cpu_seconds,
    runner_version: entry.runner_version,
  };
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null && value !== undefined));
}

const msOf = (at: string | Date | null): number | undefined => (at === null ? undefined : new Date(at).getTime());
const iso = (at: string | Date | null): string | undefined => (at === null ? undefined : new Date(at).toISOString());
