import type { Database } from '../../src/db/database.ts';
import { createWorld } from '../engine/create-world.ts';
import type { GivenTask, World } from '../engine/world.ts';

/** What each task's runner says that it reads of its object. */
export const READS = {
  Information: ['position'],
  Match: ['position'],
  Host: ['position', 'redshift'],
  Aperture: ['redshift'],
  Distance: ['redshift', 'data.fit'],
  Report: [],
  Picture: ['position'],
} as const;
export type Task = keyof typeof READS;

const TASKS: Readonly<Record<Task, GivenTask>> = {
  Information: {},
  Match: { needs: { Information: 'processed' } },
  Host: { needs: { Match: 'processed' } },
  Aperture: { needs: { Information: 'processed' } },
  Distance: { needs: { Information: 'processed' } },
  Report: { needs: { Host: 'processed', Aperture: 'processed', Distance: 'processed' } },
  Picture: {},
};

/** The graph of the shipped pipeline in small, with one task more that stands alone. */
export async function givenObjects(database: Database): Promise<World<Task>> {
  const world = await createWorld<Task>(database, { tasks: TASKS });
  for (const [task, reads] of Object.entries(READS)) Object.assign(world.runner(task as Task), { reads });
  await world.sync();
  return world;
}

/** The tasks that ran on an object since the marks were set, in the order of the table above. */
export function ranSince(world: World<Task>, marks: ReadonlyMap<string, number>, subject: string): string[] {
  return Object.keys(READS).filter((task) => world.runner(task as Task).runs.slice(marks.get(task) ?? 0).some((run) => run.subject === subject));
}

/** How often each task has run by now. */
export const marksOf = (world: World<Task>): Map<string, number> => new Map(Object.keys(READS).map((task) => [task, world.runner(task as Task).runs.length]));
