import type { EntityManager } from '@mikro-orm/postgresql';
import { readDaemons, unservedTasks, type DaemonReport, type UnservedTask } from '../../db/daemons.ts';
import { readResources, type ResourceReport } from '../../db/resources.ts';
import { statusReport, type StatusReport, type TaskReport } from '../../db/report.ts';
import type { StatusType } from '../../status/status.ts';

/** A task without an object, with its schedule and its last tick. */
export interface SystemRunner {
  name: string;
  description: string;
  /** False while a person has it paused; null where it has no schedule. */
  enabled: boolean | null;
  nextAt: Date | null;
  last: { startedAt: Date; outcome: string; wallSeconds: number | null; message: string | null } | null;
}

/** What the first page shows. */
export interface Overview {
  report: StatusReport;
  /** The report's tasks, prerequisites first. */
  tasks: readonly (TaskReport & { description: string; paused: boolean })[];
  systemRunners: readonly SystemRunner[];
  /** Status message → type. */
  types: ReadonlyMap<string, StatusType>;
  /** Daemons and workers that are alive. */
  daemons: readonly DaemonReport[];
  /** What tasks share, by name. */
  resources: readonly ResourceReport[];
  /** Active tasks that none of them can run. */
  unserved: readonly UnservedTask[];
}

/** @param order names of tasks, prerequisites first; others follow in the order of the fixtures */
export async function readOverview(em: EntityManager, order: readonly string[]): Promise<Overview> {
  const report = await statusReport(em);
  const types = await em.execute<{ message: string; type: StatusType }[]>(`select message, type from status`);
  const runners = await em.execute<RunnerRow[]>(RUNNERS);
  const daemons = await readDaemons(em);
  const place = new Map(order.map((name, at) => [name, at]));
  const byName = new Map(runners.map((row) => [row.name, row]));
  return {
    report,
    tasks: report.tasks
      .filter(({ kind }) => kind !== 'system')
      .toSorted((a, b) => (place.get(a.name) ?? order.length) - (place.get(b.name) ?? order.length))
      .map((task) => ({ ...task, description: byName.get(task.name)?.description ?? '', paused: byName.get(task.name)?.enabled === false })),
    systemRunners: runners.filter(({ kind }) => kind === 'system').map(toSystemRunner),
    types: new Map(types.map(({ message, type }) => [message, type])),
    daemons: daemons.filter(({ state }) => state === 'alive'),
    resources: await readResources(em),
    unserved: await unservedTasks(em),
  };
}

interface RunnerRow {
  name: string;
  kind: string;
  description: string;
  enabled: boolean | null;
  next_at: string | Date | null;
  started_at: string | Date | null;
  outcome: string | null;
  wall_seconds: number | null;
  message: string | null;
}

const RUNNERS = `
select t.name, t.kind, t.description, s.enabled, s.next_at, k.started_at, k.outcome, k.wall_seconds, k.error ->> 'message' as message
  from task t
  left join schedule s on s.runner = t.name
  left join lateral (select started_at, outcome, wall_seconds, error from tick where t.kind = 'system' and runner = t.name and outcome <> 'missed' order by id desc limit 1) k on true
 order by t.id`;

function toSystemRunner({ name, description, enabled, next_at, started_at, outcome, wall_seconds, message }: RunnerRow): SystemRunner {
  return {
    name,
    description,
    enabled,
    nextAt: next_at === null || enabled === false ? null : new Date(next_at),
    last: started_at === null ? null : { startedAt: new Date(started_at), outcome: outcome ?? 'running', wallSeconds: wall_seconds, message },
  };
}
