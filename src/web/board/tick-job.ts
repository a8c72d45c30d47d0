import type { QueueJob, QueueJobJson } from '@bull-board/api/typings/app';
import type { JobStateName } from './job-state.ts';
import { toBoard } from '../links.ts';
import { refusal, withStatus } from './refusal.ts';
import { RefusedError } from '../../errors.ts';
import { stackOf } from './stack.ts';
import { missedReason } from './schedules.ts';
import { tickState, type BoardTick } from './tick-rows.ts';

/** A tick of a system runner as a job of the board. */
export class TickJob implements QueueJob {
  readonly tick: BoardTick;
  readonly id: string;
  readonly name: string;
  readonly queueName: string;
  readonly queueQualifiedName: string;
  readonly opts: QueueJob['opts'] & Record<string, unknown>;
  readonly progress: number;

  constructor(tick: BoardTick) {
    this.tick = tick;
    this.id = tick.id;
    this.name = CAUSES[tick.cause] ?? tick.cause;
    this.queueName = toBoard(tick.runner);
    this.queueQualifiedName = this.queueName;
    this.progress = tick.outcome === 'finished' ? 100 : 0;
    this.opts = {
      delay: 0,
      tick: { outcome: tick.outcome, cause: tick.cause, slot: new Date(tick.slot).toISOString(), wall_seconds: tick.wall_seconds, cpu_seconds: tick.cpu_seconds },
    };
  }

  async getState(): Promise<JobStateName> {
    return tickState(this.tick.outcome);
  }

  toJSON(): QueueJobJson {
    const { tick } = this;
    const failed = tickState(tick.outcome) === 'failed';
    return {
      id: this.id,
      name: this.name,
      progress: this.progress,
      attemptsMade: 1,
      timestamp: new Date(tick.slot).getTime(),
      processedOn: new Date(tick.started_at).getTime(),
      finishedOn: tick.ended_at === null ? undefined : new Date(tick.ended_at).getTime(),
      processedBy: tick.host === null ? undefined : `${tick.host}:${tick.pid}`,
      delay: 0,
      failedReason: failed ? [tick.outcome, tick.error?.message].filter(Boolean).join(': ') : '',
      stacktrace: failed ? [stackOf(tick.error)].filter(Boolean) : [],
      data: { runner: tick.runner, slot: new Date(tick.slot).toISOString(), cause: tick.cause, ...(tick.reason === null ? {} : { missed: missedReason(tick.reason) }) },
      returnvalue: tick.result,
      opts: this.opts,
    };
  }

  async retry(): Promise<void> {
    throw withStatus(new RefusedError('A tick is not repeated; the next one comes by schedule.'), 405);
  }

  async promote(): Promise<void> {
    throw refusal('promote');
  }

  async remove(): Promise<void> {
    throw refusal('remove');
  }
}

const CAUSES: Readonly<Record<string, string>> = { schedule: 'by schedule', 'catch-up': 'catching up on a missed slot', start: 'at the start', idle: 'when all was done', person: 'by hand' };
