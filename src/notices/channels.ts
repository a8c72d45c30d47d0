import type { TaskRunner } from '../runner/runner.ts';

/** What this process can send by, and whom it tells where a runner does not say. */
export interface NoticeSettings {
  smtpUrl: string | undefined;
  mailFrom: string;
  onFailure: { mail: readonly string[]; webhook: string | undefined };
}

/** Who is told of failures of a task, as far as this process can. */
export interface Channels {
  task: string;
  /** Addresses; empty where no mail is to be sent, or none can be. */
  mail: readonly string[];
  webhook: string | undefined;
  mostPerHour: number;
}

/** Notices of one task within an hour, unless its runner says otherwise. */
const MOST_PER_HOUR = 10;

/** Who is to be told, by task; tasks of which nobody is told are not there. */
export function channelsOf(runners: readonly TaskRunner[], settings: NoticeSettings): Map<string, Channels> {
  const all = runners.map(({ taskName: task, onFailure }): Channels => {
    const wanted = onFailure.mail === undefined ? settings.onFailure.mail : [onFailure.mail].flat();
    return { task, mail: settings.smtpUrl === undefined ? [] : wanted, webhook: onFailure.webhook ?? settings.onFailure.webhook, mostPerHour: onFailure.mostPerHour ?? MOST_PER_HOUR };
  });
  return new Map(all.filter(({ mail, webhook }) => mail.length > 0 || webhook !== undefined).map((one) => [one.task, one]));
}

/** Whether somebody wants mail, and this process cannot send any. */
export const lacksMailServer = (runners: readonly TaskRunner[], { smtpUrl, onFailure }: NoticeSettings): boolean =>
  smtpUrl === undefined && (onFailure.mail.length > 0 || runners.some((runner) => [runner.onFailure.mail ?? []].flat().length > 0));
