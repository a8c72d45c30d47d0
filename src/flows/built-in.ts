import type { Config } from '../config.ts';
import { FailureMail, FailureWebhook, type NoticeWorld } from '../notices/failure-notice.ts';
import { HttpRequest } from '../notices/http-request.ts';
import type { Pipeline } from '../runner/pipeline.ts';
import { AfterglowCommand, COMMAND_JOB } from './afterglow-command.ts';

const NAMES: ReadonlySet<string> = new Set([COMMAND_JOB, 'http request', 'failure mail', 'failure webhook']);

/** Whether it is one of the jobs that every daemon has. */
export const isBuiltIn = (job: string): boolean => NAMES.has(job);

/** A pipeline with the jobs that every daemon has. */
export function withBuiltIn(pipeline: Pipeline, config: Pick<Config, 'runnersFile' | 'smtpUrl' | 'mailFrom' | 'onFailure'>): Pipeline {
  const runners = [...pipeline.periodicRunners, new AfterglowCommand(config.runnersFile), new HttpRequest()];
  // Of those that tell, nobody is told: that would go on for ever.
  const world: NoticeWorld = { runners, settings: config, env: process.env };
  return { ...pipeline, periodicRunners: [...runners, new FailureMail(world), new FailureWebhook(world)] };
}
