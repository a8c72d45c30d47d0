import { z } from 'zod';
import type { EntityManager } from '@mikro-orm/postgresql';
import { JobRunner, skip, type JobContext, type Skipped } from '../runner/job.ts';
import { Qualifier } from '../runner/qualifier.ts';
import type { RetryPolicy } from '../runner/retry-policy.ts';
import type { TaskRunner } from '../runner/runner.ts';
import { JOB_KIND } from '../status/status.ts';
import { channelsOf, type Channels, type NoticeSettings } from './channels.ts';
import { redact, secretsOf } from './redact.ts';
import { requestHttp } from './request-http.ts';
import { sendMail } from './send-mail.ts';

/** What is told of a failure; free of what looks like a secret. */
export interface FailureNotice {
  task: string;
  /** `transient`, one of yours, `job:<task>`, or `system` for a runner without an object. */
  kind: string;
  /** The object, or the number of the job; empty where there is none. */
  subject: string;
  attempt: number;
  status: string;
  reason: string;
  failedAt: string;
  /** Failures of the task since the notice before that are told by this number alone. */
  heldBack: number;
}

interface NoticeArguments {
  notice: string;
}

/** How long a webhook may take, seconds. */
const WEBHOOK_SECONDS = 10;

/** Runners and settings of a process, from which it follows who is told. */
export interface NoticeWorld {
  runners: readonly TaskRunner[];
  settings: NoticeSettings;
  env: NodeJS.ProcessEnv;
}

/** A job that tells of one failure. Addresses stand in code and settings, and not among its arguments. */
abstract class Teller extends JobRunner<NoticeArguments, string> {
  readonly args = z.object({ notice: z.string().regex(/^\d+$/) });
  override readonly retry: Partial<RetryPolicy> = { attempts: 8, baseSeconds: 20, capSeconds: 3600 };
  protected readonly world: NoticeWorld;

  constructor(world: NoticeWorld) {
    super();
    this.world = world;
  }

  async run({ notice: id }: NoticeArguments, context: JobContext): Promise<string | Skipped> {
    const notice = await readNotice(context.em, id, secretsOf(this.world.env));
    if (notice === undefined) return skip('what failed is gone');
    const channels = channelsOf(this.world.runners, this.world.settings).get(notice.task);
    return (channels && (await this.tell(notice, channels, id, context))) ?? skip('nobody wants to be told any more');
  }

  /** @returns whom it has told, without secrets; undefined where nobody is to be told */
  protected abstract tell(notice: FailureNotice, channels: Channels, id: string, context: JobContext): Promise<string | undefined>;
}

/** Most daemons of most people have none. */
class MailServer extends Qualifier {
  readonly name = 'the mail server';
  override readonly isQuiet = true;
  readonly #settings: NoticeSettings;

  constructor(settings: NoticeSettings) {
    super();
    this.#settings = settings;
  }

  check(): boolean {
    return this.#settings.smtpUrl !== undefined;
  }

  override describe(): string {
    return 'there is no mail server to send by, as AFTERGLOW_SMTP_URL is not set';
  }
}

/** The job `failure mail`. It runs where a mail server is configured. */
export class FailureMail extends Teller {
  readonly taskName = 'failure mail';
  override readonly description = 'Tells of a final failure by mail.';
  override readonly qualifiers: readonly Qualifier[] = [new MailServer(this.world.settings)];

  protected async tell(notice: FailureNotice, { mail: to }: Channels, id: string): Promise<string | undefined> {
    if (to.length === 0) return undefined;
    const { smtpUrl, mailFrom: from } = this.world.settings;
    await sendMail(smtpUrl!, { from, to, subject: `[afterglow] ${headline(notice)}`, text: bodyOf(notice), messageId: `<afterglow-notice-${id}@${from.split('@').at(-1)}>` });
    return to.join(', ');
  }
}

/** The job `failure webhook`. */
export class FailureWebhook extends Teller {
  readonly taskName = 'failure webhook';
  override readonly description = 'Tells of a final failure by a request to a webhook.';

  protected async tell(notice: FailureNotice, { webhook: url }: Channels, id: string, { signal }: JobContext): Promise<string | undefined> {
    if (url === undefined) return undefined;
    const data = { event: 'failure', text: `${headline(notice)}: ${notice.reason}`, ...notice };
    const { statusCode, successful } = await requestHttp({ url, method: 'POST', headers: { 'idempotency-key': `afterglow-notice-${id}` }, timeoutSeconds: WEBHOOK_SECONDS, data }, signal);
    if (!successful) throw new Error(`${new URL(url).origin} refused the notice with ${statusCode}.`);
    return new URL(url).origin;
  }
}

function headline({ task, kind, subject, status }: FailureNotice): string {
  const whose = kind.startsWith(JOB_KIND) ? `, job ${subject},` : subject === '' ? '' : ` of ${subject}`;
  return `"${task}"${whose} failed: ${status}`;
}

function bodyOf(notice: FailureNotice): string {
  const { task, kind, subject, attempt, status, reason, failedAt, heldBack } = notice;
  const advice = kind.startsWith(JOB_KIND) ? [`To look at it: afterglow jobs show ${subject}`, `To have it done again: afterglow jobs requeue ${subject}`]
    : subject === '' ? ['It is run again when its schedule fires; the board has its log.']
    : [`To look at it: afterglow explain ${subject} '${task}'`, `To have it done again: afterglow retry ${subject} --task '${task}'`];
  return [
    `${headline(notice)}.`, '',
    `When: ${failedAt}`, `Attempt: ${attempt}`, `Status: ${status}`, '',
    'Why:', reason, '',
    ...(heldBack > 0 ? [`${heldBack} more ${heldBack === 1 ? 'failure' : 'failures'} of this task since the last mail ${heldBack === 1 ? 'is' : 'are'} told by this number alone.`, ''] : []),
    ...advice, '',
  ].join('\n');
}

async function readNotice(em: EntityManager, id: string, secrets: readonly string[]): Promise<FailureNotice | undefined> {
  const [row] = await em.execute<(Omit<FailureNotice, 'failedAt' | 'reason'> & { failed_at: string; held_back: string; message: string | null })[]>(NOTICE, [id]);
  if (row === undefined) return undefined;
  const { task, kind, subject, attempt, status, failed_at: at, held_back: heldBack, message } = row;
  const clean = (text: string) => redact(text, secrets);
  return { task, kind, subject: clean(subject), attempt, status, reason: clean(message ?? 'The runner gave no reason.').slice(0, 4000), failedAt: new Date(at).toISOString(), heldBack: Number(heldBack) };
}

// The status that the failed attempt led to, whatever has become of the entry since.
const NOTICE = `
select t.name as task, t.kind, coalesce(s.name, '') as subject, coalesce(n.attempt, 1) as attempt, n.failed_at::text as failed_at,
       coalesce(st.message, k.outcome, '') as status, coalesce(a.error ->> 'message', r.reason, a.warning, k.error ->> 'message') as message,
       (select count(*) from notice h
         where h.task_id = n.task_id and h.state = 'held back' and h.id < n.id
           and h.id > coalesce((select max(b.id) from notice b where b.task_id = n.task_id and b.state = 'enqueued' and b.id < n.id), 0)) as held_back
  from notice n
  join task t on t.id = n.task_id
  left join subject s on s.id = n.subject_id
  left join tick k on k.id = n.tick_id
  left join attempt a on a.subject_id = n.subject_id and a.task_id = n.task_id and a.attempt = n.attempt
  left join status st on st.id = a.status_id
  left join task_register r on r.subject_id = n.subject_id and r.task_id = n.task_id and r.attempt = n.attempt
 where n.id = ?::bigint`;
