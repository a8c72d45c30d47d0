import type { Bench, Section } from '../section.ts';
import { quantile } from '../statistics.ts';
import { bareSpawn, benchScripts, ownRun, throughTheRegister } from './runs.ts';

const GOAL_MS = 5;

/** What a run of a script costs beyond the script itself. */
export async function scriptsSection({ server, quick, progress }: Bench): Promise<Section> {
  const pairs = quick ? 5 : 200;
  const objects = quick ? 5 : 100;
  const measured = [];
  for (const script of benchScripts()) {
    const [bare, own, over]: [number[], number[], number[]] = [[], [], []];
    // The first runs read programs from the disk and start the guard.
    for (let warm = 0; warm < (quick ? 1 : 20); warm += 1) {
      await bareSpawn(script);
      await ownRun(script, server.folder);
    }
    for (let pair = 0; pair < pairs; pair += 1) {
      // Another one first each time, so that whatever else the machine does meets both alike.
      const first = pair % 2 === 0 ? await bareSpawn(script) : undefined;
      own.push(await ownRun(script, server.folder));
      bare.push(first ?? (await bareSpawn(script)));
      over.push(own.at(-1)! - bare.at(-1)!);
    }
    const allInAll = await throughTheRegister(server, script, objects);
    progress(`scripts: ${script.name}: ${quantile(bare, 0.5).toFixed(1)} ms bare, ${quantile(over, 0.5).toFixed(1)} ms more with us, ${allInAll.toFixed(1)} ms through the register`);
    measured.push({ name: script.name, bare, own, over, allInAll });
  }
  const misses = measured.filter(({ over }) => quantile(over, 0.5) > GOAL_MS).map(({ name, over }) => `**We miss the goal** of ${GOAL_MS} ms for a script in ${name}: it is ${quantile(over, 0.5).toFixed(1)} ms at the median.`);
  return {
    title: 'Running a script',
    method: [
      `A script that reads one JSON document and prints a result is started ${pairs} times by Node’s \`spawn\` alone and as often by us, in turn: with a folder of its own, an environment of its own, a process group that is watched by the guard, its output read for a result, and all that it may have left cleared away. ` +
        `The overhead is the difference within each pair. For the last column, an engine with one place takes ${objects} objects of a register through it, each claimed, run and advanced before the next; what that takes in all, by object.`,
    ],
    tables: [
      {
        title: 'Milliseconds for a run of a script', head: ['script', 'bare spawn, p50', 'with us, p50', 'overhead, p50', 'overhead, p95', 'through the register'],
        rows: measured.map(({ name, bare, own, over, allInAll }) => [name, quantile(bare, 0.5), quantile(own, 0.5), quantile(over, 0.5), quantile(over, 0.95), allInAll]),
      },
    ],
    ratios: [],
    figures: measured.map(({ name, over }) => ({ what: `overhead of a run of a script in ${name}, p50, ms`, figure: quantile(over, 0.5), goal: { atMost: GOAL_MS } })),
    limits: [...misses, 'The script does next to nothing; what an interpreter takes to start is most of it.'],
  };
}
