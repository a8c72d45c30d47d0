import { Argument } from 'commander';
import { systemClock } from '../clock.ts';
import { Daemon } from '../daemon/daemon.ts';
import { describeOutdated } from '../engine/read-work.ts';
import { RefusedError, UnknownNameError } from '../errors.ts';
import type { EntityManager } from '@mikro-orm/postgresql';
import { createLog } from '../log.ts';
import { nearest } from '../nearest.ts';
import { openHome, prepare } from '../prepare.ts';
import type { Json } from '../runner/outcome.ts';
import { syncSchedules } from '../schedule/sync-schedules.ts';
import { VERSION } from '../version.ts';
import { command, configOf, person, withGraph, type CommonOptions } from './common.ts';
import { print, printJson } from './output.ts';
import { queueable } from './queue-option.ts';

interface LastAttempt {
  attempt: number;
  status: string;
  outcome: string;
  wall_seconds: number;
  cpu_seconds: number;
  result: Json;
  warning: string | null;
  error: { message?: string; stack?: string } | null;
  log: { level: string; message: string }[] | null;
}

/** `afterglow run`: one runner on one transient, in the foreground. */
export const runCommand = () =>
  queueable(withGraph(
    command(
      'run',
      'run one task on one transient, in the foreground',
      'For authors of runners: claims the entry as the daemon would, runs it here, writes how it ended, and shows it. The prerequisites must be met. Exits with 1 if the attempt failed.',
    ),
  ))
    .addArgument(new Argument('<task>', 'name of the task'))
    .addArgument(new Argument('<transient>', 'name of the transient'))
    .option('--again', 'reset the entry first if it is done already')
    .option('--json', 'the attempt as JSON')
    .action(async (taskName: string, subject: string, options: CommonOptions & { json?: true; again?: true }) => {
      const config = configOf(options);
      const log = createLog(config.log, 'warn');
      const home = await openHome(config, log, 8);
      const { database, folders } = home;
      try {
        const prepared = await prepare(home);
        const outdated = prepared.outdated.find(({ task: name }) => name === taskName);
        if (outdated !== undefined) throw new RefusedError(describeOutdated(outdated));
        const task = prepared.tasks.find(({ name }) => name === taskName);
        if (task === undefined) {
          const names = prepared.tasks.map(({ name }) => name);
          throw new UnknownNameError('task with a runner', taskName, names, nearest(taskName, names));
        }
        await syncSchedules(database.em(), prepared.runners, systemClock, prepared.outdated.map(({ task: name }) => name));
        // Whoever runs it here by hand knows whether this machine has what it takes.
        const daemon = await Daemon.create({ ...prepared, database, config: { ...config, labels: task.runner.requires }, folders, clock: systemClock, log, version: VERSION });
        try {
          await daemon.prepareSystem();
          await daemon.runOne(task, subject, { actor: person(), again: options.again === true });
        } finally {
          await daemon.stop();
        }
        const attempt = await lastAttempt(database.em(), task.id, subject);
        if (options.json) printJson(attempt);
        else show(taskName, subject, attempt);
        if (attempt.outcome !== 'finished') process.exitCode = 1;
      } finally {
        await home.close();
      }
      // What was told to stop at its time limit may not have stopped.
      process.stdout.write('', () => process.exit()); // oxlint-disable-line unicorn/no-process-exit
    });

async function lastAttempt(em: EntityManager, taskId: number, subject: string): Promise<LastAttempt> {
  const [row] = await em.execute<LastAttempt[]>(
    `select a.attempt, s.message as status, a.outcome, a.wall_seconds, a.cpu_seconds, a.result, a.warning, a.error, a.log
       from attempt a
       join subject u on u.id = a.subject_id
       left join status s on s.id = a.status_id
      where a.task_id = ? and u.name = ?
      order by a.attempt desc
      limit 1`,
    [taskId, subject],
  );
  return row!;
}

function show(task: string, subject: string, { attempt, status, wall_seconds, cpu_seconds, result, warning, error, log }: LastAttempt): void {
  for (const line of log ?? []) print(`${line.level}: ${line.message}`);
  print(`"${task}" of ${subject}: ${status} (attempt ${attempt}, ${wall_seconds.toFixed(3)} s, CPU ${cpu_seconds.toFixed(3)} s)`);
  if (warning !== null) print(`warning: ${warning}`);
  if (result !== null) print(JSON.stringify(result, null, 2));
  if (error !== null) print(error.stack ?? error.message ?? 'no message');
}
