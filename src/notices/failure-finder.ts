import type { EntityManager } from '@mikro-orm/postgresql';
import type { TaskRunner } from '../runner/runner.ts';
import { channelsOf, lacksMailServer, type NoticeSettings } from './channels.ts';
import { FailureMail, FailureWebhook } from './failure-notice.ts';
import { findFailures } from './find-failures.ts';

/** What finds the failures that somebody is to be told of. */
export interface FailureFinder {
  /** What cannot be done as it was meant, whole sentences. */
  warnings: readonly string[];
  /** Looks once; undefined where nobody is to be told. */
  look: ((em: EntityManager) => Promise<number>) | undefined;
}

/** @param runners with the jobs that tell among them */
export function failureFinder(runners: readonly TaskRunner[], settings: NoticeSettings): FailureFinder {
  const mail = runners.find((runner) => runner instanceof FailureMail);
  const webhook = runners.find((runner) => runner instanceof FailureWebhook);
  const watched = runners.filter((runner) => runner !== mail && runner !== webhook);
  const channels = channelsOf(watched, settings);
  return {
    warnings: lacksMailServer(watched, settings) ? ['Somebody is to get mail of failures, but there is no mail server to send it by: set AFTERGLOW_SMTP_URL.'] : [],
    look: channels.size === 0 || mail === undefined || webhook === undefined ? undefined : (em) => findFailures(em, channels, { mail, webhook }),
  };
}
