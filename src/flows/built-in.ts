import type { Pipeline } from '../runner/pipeline.ts';
import { AfterglowCommand } from './afterglow-command.ts';

/**
 * A pipeline with the jobs that every daemon has.
 *
 * @param runnersFile where the pipeline was loaded from
 */
export function withBuiltIn(pipeline: Pipeline, runnersFile: string): Pipeline {
  return { ...pipeline, periodicRunners: [...pipeline.periodicRunners, new AfterglowCommand(runnersFile)] };
}
