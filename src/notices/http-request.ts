import { z } from 'zod';
import { JobRunner, type JobContext } from '../runner/job.ts';
import type { Json } from '../runner/outcome.ts';
import type { RetryPolicy } from '../runner/retry-policy.ts';
import { requestHttp, type HttpAnswer } from './request-http.ts';

/** Arguments of {@link HttpRequest}. */
export interface HttpArguments {
  url: string;
  method?: string;
  headers?: Record<string, string>;
  timeoutSeconds?: number;
  /** A text goes as it is, anything else as JSON. */
  data?: Json;
}

/**
 * The job `http request`: sends a request to a server, and gives what came back. It is tried again where nobody answers, or with 5xx;
 * an answer of 4xx would be the same another time, so the job is completed with `successful: false`. Arguments are kept in the
 * database as they are: what is secret does not belong among them.
 */
export class HttpRequest extends JobRunner<HttpArguments, HttpAnswer> {
  readonly taskName = 'http request';
  override readonly description = 'Sends a request to a server and keeps the answer.';
  readonly args = z.object({
    url: z.url({ protocol: /^https?$/ }),
    method: z.string().regex(/^[A-Z]{3,10}$/).default('POST'),
    headers: z.record(z.string(), z.string()).default({}),
    timeoutSeconds: z.number().positive().max(3600).default(10),
    data: z.json().optional() as z.ZodType<Json | undefined>,
  }) as z.ZodType<HttpArguments>;
  override readonly result = z.object({ successful: z.boolean(), statusCode: z.number().int(), response: z.json() as z.ZodType<Json> });
  override readonly retry: Partial<RetryPolicy> = { attempts: 5, baseSeconds: 20, capSeconds: 3600 };

  run({ url, method = 'POST', headers = {}, timeoutSeconds = 10, data }: HttpArguments, { signal }: JobContext): Promise<HttpAnswer> {
    return requestHttp({ url, method, headers, timeoutSeconds, data }, signal);
  }
}
