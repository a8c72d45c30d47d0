import { alternate, medianOf, ratioOf, type Rounds, type Side } from '../alternate.ts';
import { availablePeers, describePeers } from '../peers/peers.ts';
import { pickUps, type PickUps } from '../pick-up/pick-ups.ts';
import { waitOurselves } from '../pick-up/wait-ourselves.ts';
import { OURS } from '../pipeline/describe.ts';
import type { Usage } from '../pipeline/measured.ts';
import type { Bench, Section } from '../section.ts';
import type { Cell } from '../table.ts';
import { BenchJob, jobsAlone } from './job.ts';
import { runJobs } from './own-run.ts';
import { BATCH, runPeerJobs, type JobsRun } from './peer-jobs.ts';

const GOAL = 2;
/** The one that the goal is about; the others are measured too. */
const GOAL_OVER = ['BullMQ on Redis'];

/** How many plain jobs are enqueued and run a second, and how soon a job begins on an idle system, beside queues. */
export async function jobsSection(bench: Bench): Promise<Section> {
  const { server, redis, quick, progress } = bench;
  const items = quick ? 200 : 20_000;
  const concurrency = quick ? 8 : 64;
  const sides: Side<JobsRun>[] = [
    { name: OURS, ours: true, run: () => runJobs(server, items, concurrency) },
    ...availablePeers(redis !== undefined).map((peer) => ({ name: peer.name, ours: false, run: () => runPeerJobs(peer, server, redis, items, concurrency) })),
  ];
  if (!quick) await alternate(sides, 1, (_round, name) => progress(`jobs: warming up: ${name}`));
  const runs = await alternate(sides, quick ? 1 : 5, (round, name, { enqueue, work }) => {
    progress(`jobs: round ${round}: ${name}: ${Math.round(items / enqueue.seconds)} enqueued/s, ${Math.round(items / work.seconds)} run/s`);
  });
  const latency = await pickUps(bench, 'jobs', (starts) => waitOurselves(server, jobsAlone(new BenchJob((item) => starts.begun(OURS, item))), 'job'));
  return describe(runs, latency, items, concurrency, describePeers(redis));
}

const whole = ({ enqueue, work }: JobsRun) => enqueue.seconds + work.seconds;

function describe(runs: Rounds<JobsRun>, latency: PickUps, items: number, concurrency: number, peers: string): Section {
  const row = (name: string): Cell[] => {
    if (runs.of(name).every((run) => run === undefined)) return [name, 'void', '', '', '', '', ''];
    const rate = (seconds: (run: JobsRun) => number) => medianOf(runs, name, (run) => Math.round(items / seconds(run)))!;
    const perThousand = (figure: (usage: Usage) => number | undefined): Cell => {
      const value = medianOf(runs, name, ({ enqueue, work }) => sum(figure(enqueue), figure(work)));
      return value === undefined ? 'not known' : (value / items) * 1000;
    };
    return [
      name, rate(whole), rate(({ enqueue }) => enqueue.seconds), rate(({ work }) => work.seconds), perThousand(({ cpuSeconds }) => cpuSeconds),
      perThousand(({ databaseCpuSeconds }) => databaseCpuSeconds), Math.round(medianOf(runs, name, ({ enqueue, work }) => (enqueue.walBytes + work.walBytes) / items)!),
    ];
  };
  const others = runs.names.filter((name) => name !== OURS);
  const ratios = others.flatMap((name) => {
    const isGoal = GOAL_OVER.includes(name);
    const speed = ratioOf(runs, OURS, name, (run) => 1 / whole(run));
    return [
      ...(speed === undefined ? [] : [{ name, what: `plain jobs, enqueued and run, a second: afterglow over ${name}`, ratio: speed, lost: 'in jobs a second', ...(isGoal && { goal: { atLeast: GOAL } }) }]),
      { name, what: `pick-up of a job, p50: ${name} over afterglow`, ratio: latency.at(name, 0.5) / latency.at(OURS, 0.5), lost: 'in the median pick-up', ...(isGoal && { goal: { atLeast: GOAL } }) },
    ];
  });
  return {
    title: 'Plain jobs',
    method: [
      `${items.toLocaleString('en-US')} jobs with one number as their argument. One client enqueues all of them, ${BATCH.toLocaleString('en-US')} a call; when they are there, workers with empty handlers start, concurrency ${concurrency}. Both clocks together make the jobs a second: until the last call is ` +
        `answered, and until the last end is recorded. Runs alternate, medians of ${runs.of(OURS).length}, the delivery of each is checked. For us a job is a subject with its entry, a row of its own, an attempt and two transitions, and its arguments are checked twice; the others are set up as they are for the pipeline:`,
      peers,
      `Then another process adds a job every ${latency.everyMs} ms to each system, ${latency.samples} of them, the systems in turn, as for the pick-up of items.`,
    ],
    tables: [
      { title: `${items.toLocaleString('en-US')} jobs`, head: ['', 'jobs/s', 'enqueued/s', 'run/s', 'CPU s of Node per 1,000', 'CPU s of the database per 1,000', 'WAL bytes a job'], rows: runs.names.map(row) },
      { title: 'Milliseconds until a job begins', head: ['', 'p50', 'p95', 'p99', 'longest', 'p50 after it was added'], rows: latency.rows() },
    ],
    ratios: ratios.map(({ what, ratio, goal }) => ({ what, ratio, ...(goal !== undefined && { goal }) })),
    limits: [
      ...ratios.flatMap(({ name, ratio, lost }) => {
        if (ratio < 1) return [`**We lose** against ${name} ${lost}: ${ratio.toFixed(2)} times.`];
        return ratio < GOAL && GOAL_OVER.includes(name) ? [`**We miss the goal** of ${GOAL} times ${name} ${lost}: it is ${ratio.toFixed(2)} times.`] : [];
      }),
      'BullMQ answers when a job is in Redis’s memory, and loses up to a second of them with the machine; the others when it is on the disk.',
      ...runs.voids.map((text) => `Void: ${text}`),
    ],
  };
}

const sum = (one: number | undefined, other: number | undefined): number | undefined => (one === undefined || other === undefined ? undefined : one + other);
