import type { Config } from './config.ts';
import type { Fixtures } from './fixtures/fixture.ts';
import { readFixtures } from './fixtures/read.ts';
import { checkGraph, type Finding } from './runner/check/check-graph.ts';
import type { Pipeline } from './runner/pipeline.ts';

/** Reads the fixtures and checks the graph, without a database. */
export async function readGraph(config: Config, pipeline: Pipeline): Promise<{ fixtures: Fixtures; findings: Finding[] }> {
  const fixtures = await readFixtures([...config.fixtures]);
  return { fixtures, findings: checkGraph({ ...fixtures, runners: pipeline.periodicRunners }) };
}
