import type { Database } from '../../src/db/database.ts';
import { SystemTaskRunner } from '../../src/index.ts';
import type { MissedSlots } from '../../src/runner/runner.ts';
import { createLog, type Logger } from '../../src/log.ts';

/** What of a runner matters to its schedule. */
export interface GivenRunner {
  taskName: string;
  schedule: string | number;
  timeZone?: string;
  initiallyEnabled?: boolean;
  missedSlots?: MissedSlots;
  version?: number;
}

/** A runner with a schedule; what it does is up to the test's `onTick`. */
export class ScheduledRunner extends SystemTaskRunner {
  readonly taskName: string;
  readonly schedule: string | number;
  override readonly timeZone: string;
  override readonly initiallyEnabled: boolean;
  override readonly missedSlots: MissedSlots;
  override readonly version: number;

  constructor({ taskName, schedule, timeZone = 'UTC', initiallyEnabled = true, missedSlots = 'skip', version = 1 }: GivenRunner) {
    super();
    this.taskName = taskName;
    this.schedule = schedule;
    this.timeZone = timeZone;
    this.initiallyEnabled = initiallyEnabled;
    this.missedSlots = missedSlots;
    this.version = version;
  }

  runProcess(): void {}
}

/** A log that keeps what it is told, as `level: message`. */
export function listeningLog(): { log: Logger; lines: string[] } {
  const log = createLog('silent');
  const lines: string[] = [];
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    log[level] = ((...words: unknown[]) => void lines.push(`${level}: ${String(words.at(-1))}`)) as Logger['info'];
  }
  return { log, lines };
}

interface TickRow {
  id: string;
  slot: string;
  cause: string;
  daemon_id: number;
  outcome: string;
  ended_at: string | null;
  entries: number | null;
  wall_seconds: number | null;
  cpu_seconds: number | null;
  result: unknown;
  error: { name: string; message: string } | null;
  log: unknown;
  reason: string | null;
  last_slot: string | null;
  slots: number;
}

/** The ticks of a runner, oldest first. */
export async function ticksOf(database: Database, runner: string): Promise<TickRow[]> {
  return database.em().execute<TickRow[]>(`select * from tick where runner = ? order by id`, [runner]);
}

interface ScheduleTableRow {
  pattern: string;
  time_zone: string;
  enabled: boolean;
  edited_by: string | null;
  edited_at: string | null;
  slot: string | null;
  lease_until: string | null;
  finished_at: string | null;
  next_at: string | null;
  ticks: string;
  accounted_to: string;
  earlier: unknown[];
  missed_slots: string;
}

/** The row of a runner's schedule. */
export async function rowOf(database: Database, runner: string): Promise<ScheduleTableRow | undefined> {
  const [row] = await database.em().execute<ScheduleTableRow[]>(`select * from schedule where runner = ?`, [runner]);
  return row;
}
