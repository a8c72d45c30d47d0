import type { Job, JobFile } from '../../src/runs/job-file.ts';

/** What a test says of a job. */
export type GivenJob = Partial<Omit<Job, 'steps'>> & { steps: (string | string[])[] };

/** A file of jobs without a file. */
export function fileOf(...jobs: GivenJob[]): JobFile {
  return {
    file: 'jobs.json', folder: '/jobs',
    jobs: jobs.map((job, place): Job => ({
      name: `Job ${place + 1}`, place, line: 1, subfolder: '', priority: 0, frequency: 1, arguments: [], inputs: [], always: false, timeLimitSeconds: undefined, retries: 0, parameters: {},
      ...job,
      steps: job.steps.map((step) => [step].flat().map((script) => ({ script, file: `/jobs/${script}`, line: 1 }))),
    })),
  };
}
