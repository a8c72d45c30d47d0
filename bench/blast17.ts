import { TransientTaskRunner } from '../src/runner/runner.ts';
import type { TaskFixture } from '../src/fixtures/fixture.ts';
import type { Status } from '../src/status/status.ts';

/**
 * The seventeen tasks of Blast (github.com/scimma/blast, the prerequisites, statuses and soft time limit of its version
 * of 2026) with runners that do nothing: a real graph for checks and benchmarks.
 */

const EARLY = ['Cutout download', 'Transient MWEBV'];
const HOST = [...EARLY, 'Host match', 'Host information'];
const LOCAL = [...HOST, 'Local aperture photometry', 'Validate local photometry'];
const GLOBAL = [...HOST, 'Global aperture construction', 'Global aperture photometry', 'Validate global photometry'];
const SED = ['redshift too high', 'not enough filters', 'failed'];

/** Task, the tasks that must be processed before, the status left by a throw, and what may be returned besides `processed`. */
const TASKS: readonly (readonly [name: string, needs: readonly string[], failed: string, returns?: readonly string[]])[] = [
  ['Cutout download', [], 'failed', ['failed']],
  ['Generate thumbnail', ['Cutout download'], 'failed'],
  ['Transient MWEBV', ['Cutout download'], 'no transient MWEBV', ['no transient MWEBV']],
  ['Host match', EARLY, 'no host match', ['no host match']],
  ['Host information', [...EARLY, 'Host match'], 'failed', ['no host', 'no host redshift']],
  ['Host MWEBV', HOST, 'no host MWEBV', ['no host MWEBV']],
  ['Local aperture photometry', HOST, 'failed', ['failed']],
  ['Validate local photometry', [...HOST, 'Local aperture photometry'], 'phot valid failed', ['no valid phot', 'phot valid failed']],
  ['Local host SED inference', LOCAL, 'failed', SED],
  ['Global aperture construction', HOST, 'failed', ['failed']],
  ['Global aperture photometry', [...HOST, 'Global aperture construction'], 'failed'],
  ['Validate global photometry', [...HOST, 'Global aperture construction', 'Global aperture photometry'], 'phot valid failed', ['phot valid failed']],
  ['Global host SED inference', [...GLOBAL, 'Host MWEBV'], 'failed', SED],
  ['Crop transient images', [...GLOBAL, 'Local aperture photometry', 'Validate local photometry'], 'failed'],
  [
    'Generate thumbnail final',
    [...GLOBAL, 'Local aperture photometry', 'Validate local photometry', 'Generate thumbnail', 'Crop transient images'],
    'failed',
  ],
  ['Generate thumbnail SED local', [...LOCAL, 'Local host SED inference'], 'failed'],
  ['Generate thumbnail SED global', [...GLOBAL, 'Host MWEBV', 'Global host SED inference'], 'failed'],
];

/** Blast's fifteen statuses, in the order of its fixtures. */
export const statuses: readonly Status[] = [
  { message: 'not processed', type: 'blank' },
  { message: 'processed', type: 'success' },
  { message: 'processing', type: 'warning' },
  { message: 'no host match', type: 'error' },
  { message: 'failed', type: 'error' },
  { message: 'no host redshift', type: 'error' },
  { message: 'no transient MWEBV', type: 'error' },
  { message: 'no host MWEBV', type: 'error' },
  { message: 'phot valid failed', type: 'error' },
  { message: 'not enough filters', type: 'error' },
  { message: 'time limit exceeded', type: 'error' },
  { message: 'blocked', type: 'error' },
  { message: 'redshift too high', type: 'error' },
  { message: 'no valid phot', type: 'error' },
  { message: 'no host', type: 'error' },
];

/** The seventeen tasks; Blast's soft limit is 3600 s for each. */
export const tasks: readonly TaskFixture[] = TASKS.map(([name]) => ({
  name,
  kind: 'transient',
  description: `${name}, as in Blast.`,
  owner: 'pipeline@example.org',
  timeLimitSeconds: 3600,
  active: true,
}));

/** One of Blast's tasks with no science in it: every transient is processed at once. */
class EmptyRunner extends TransientTaskRunner {
  readonly schedule = '* * * * *';
  readonly taskName: string;
  readonly prerequisites: Readonly<Record<string, string>>;
  readonly failedStatusMessage: string;
  override readonly returns: readonly string[];

  constructor([name, needs, failed, returns = []]: (typeof TASKS)[number]) {
    super();
    this.taskName = name;
    this.prerequisites = { ...Object.fromEntries(needs.map((task) => [task, 'processed'])), [name]: 'not processed' };
    this.failedStatusMessage = failed;
    this.returns = ['processed', ...returns];
  }

  override runProcess(): string {
    return 'processed';
  }
}

/** A runner for each of the seventeen; a fresh list at each call, for those who change it. */
export function emptyRunners(): TransientTaskRunner[] {
  return TASKS.map((row) => new EmptyRunner(row));
}

/** A runner for each of the seventeen. */
export const runners: readonly TransientTaskRunner[] = emptyRunners();
