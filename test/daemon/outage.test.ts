import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import * as pipeline from '../../runners/index.ts';
import { clientOptions } from '../../src/db/address.ts';
import { openDatabase, type Database } from '../../src/db/database.ts';
import { openHot } from '../../src/db/hot.ts';
import type { RunContext } from '../../src/runner/context.ts';
import { SystemTaskRunner } from '../../src/runner/runner.ts';
import { createWorld } from '../engine/create-world.ts';
import { wireTo } from '../engine/wire.ts';
import { createDatabase } from '../harness.ts';
import { startDaemon } from './start-daemon.ts';

let database: Database;
beforeAll(async () => {
  database = await createDatabase();
});

/** A daemon at the end of a wire, which waits for answers no longer than a second. */
async function given() {
  const wire = await wireTo(database.address);
  const far = await openDatabase(wire.address, pipeline);
  const hot = openHot(clientOptions(wire.address), { statementSeconds: 0.5, answerSeconds: 1, connectSeconds: 1 });
  onTestFinished(async () => {
    await hot.close();
    await wire.cut();
    await far.close();
  });
  const world = await createWorld(database, { tasks: { Match: {} } });
  const { lines } = await startDaemon(world, { database: { ...far, hot } });
  return { wire, world, said: (text: string) => lines.filter(({ msg }) => msg.includes(text)).length };
}

/** Prepares what objects need, and is broken off the first time. */
class Prepare extends SystemTaskRunner {
  readonly taskName = 'Prepare';
  readonly schedule = '0 0 29 2 *';
  override readonly runsAtStart = true;
  runs = 0;
  isDone = false;
  readonly #wire: () => Promise<void>;
  constructor(breakOff: () => Promise<void>) {
    super();
    this.#wire = breakOff;
  }
  async runProcess({ em }: RunContext): Promise<void> {
    this.runs += 1;
    if (this.runs === 1) await this.#wire();
    await em.execute('select 1');
    this.isDone = true;
  }
}

describe('a daemon whose database goes away while it starts', () => {
  it('does not begin half prepared: what belongs to the start is run again before anything is claimed', async () => {
    const wire = await wireTo(database.address);
    const far = await openDatabase(wire.address, pipeline);
    onTestFinished(() => far.close());
    const world = await createWorld(database, { tasks: { Match: {} } });
    await world.add('a');
    const prepare = new Prepare(async () => {
      await wire.cut();
      void wire.mend();
    });
    world.runner('Match').does(() => (prepare.isDone ? 'processed' : 'failed'));
    await startDaemon(world, { database: far, system: [prepare] });
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 10_000);
    expect(prepare.runs).toBe(2);
  });
});

describe('a daemon whose database goes away', () => {
  it('works again when it is back, though what became ready meanwhile woke nobody', async () => {
    const { wire, world } = await given();
    await wire.cut();
    await world.add('a');
    await wire.mend();
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 10_000);
    await world.add('b');
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' }), 10_000);
  });

  it('notices that it has become deaf where the network has gone silent without a word', async () => {
    const { wire, world, said } = await given();
    wire.silence();
    await world.add('a');
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed' }), 20_000);
    expect(said('the connection that listens has gone silent')).toBeGreaterThan(0);
    await world.add('b');
    await vi.waitFor(async () => expect(await world.statuses('Match')).toEqual({ a: 'processed', b: 'processed' }), 10_000);
  });
});
