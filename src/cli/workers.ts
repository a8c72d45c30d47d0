import { describeUnqualified, describeUnserved, readDaemons, unservedTasks, type DaemonReport } from '../db/daemons.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { print, printJson, table } from './output.ts';

/** `afterglow workers`: who works on the database. */
export const workersCommand = () =>
  command(
    'workers',
    'list the daemons and workers',
    'Lists the daemons and workers that are alive and those that have gone within the last day: where they run, what they can do, and how busy they are. One that has not been heard of for a minute counts as gone.',
  )
    .option('--json', 'one JSON document: {"daemons": [{"id", "role", "state", "host", "pid", "version", "labels", "running", "concurrency", "troubles", "unqualified", …}], "unserved": [{"task", "requires"}]}')
    .action(async (options: CommonOptions & { json?: true }) => {
      const { daemons, unserved } = await withHome(options, async ({ database }) => ({ daemons: await readDaemons(database.em()), unserved: await unservedTasks(database.em()) }));
      if (options.json) return printJson({ daemons, unserved });
      print(daemons.length === 0 ? 'There are no daemons: start one with "afterglow start".' : table([HEAD, ...daemons.map(toRow)]));
      for (const { id, role, troubles } of daemons) for (const trouble of troubles) print(`${role} ${id}: ${trouble}`);
      for (const { id, role, unqualified } of daemons) for (const one of unqualified) print(`${role} ${id}: ${describeUnqualified(one)}`);
      for (const task of unserved) print(describeUnserved(task));
    });

const HEAD = ['ID', 'ROLE', 'STATE', 'WHERE', 'VERSION', 'LABELS', 'RUNNING', 'CPU', 'MEMORY', 'CLOCK', 'UP', 'HEARD'];

function toRow(daemon: DaemonReport): (string | number)[] {
  const { id, role, state, host, pid, version, labels, running, concurrency, cpuLoad, rssBytes, clockSkewSeconds, upSeconds, silentSeconds } = daemon;
  const isAlive = state === 'alive';
  return [
    id, role, state, `${host}:${pid}`, version, labels.join(', ') || '-', isAlive ? `${running} of ${concurrency}` : '-',
    isAlive && cpuLoad !== null ? `${Math.round(cpuLoad * 100)} %` : '-', isAlive && rssBytes !== null ? `${Math.round(rssBytes / 2 ** 20)} MiB` : '-',
    isAlive && clockSkewSeconds !== null ? `${clockSkewSeconds < 0 ? '-' : '+'}${Math.abs(clockSkewSeconds).toFixed(1)} s` : '-',
    span(upSeconds), `${span(silentSeconds)} ago`,
  ];
}

/** The largest unit of a span in which it is at least 1: `5 s`, `3 min`, `2 h`, `9 d`. */
function span(seconds: number): string {
  if (seconds < 100) return `${Math.round(Math.max(0, seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
