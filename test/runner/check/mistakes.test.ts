import { describe, expect, test } from 'vitest';
import * as blast17 from '../../../bench/blast17.ts';
import { checkGraph } from '../../../src/runner/check/check-graph.ts';
import { SEVERITY } from '../../../src/runner/check/finding.ts';
import type { FindingCode } from '../../../src/runner/check/finding.ts';
import { RequestTaskRunner } from '../../../src/runner/request.ts';
import { TaskRunner, TransientTaskRunner } from '../../../src/runner/runner.ts';
import { await_, declare, listOf, pipeline, Prune, resource, runnerOf, ScriptedRunner, task } from './pipeline.ts';
import type { Pipeline } from './pipeline.ts';

/** Something that a user gets wrong, all the findings it must give, and the words that the first one must have. */
type Mistake = readonly [what: string, make: (given: Pipeline) => void, codes: readonly FindingCode[], words: readonly string[]];

const fixtureOf = (given: Pipeline, name: string): Pipeline['tasks'][number] => given.tasks.find((one) => one.name === name) as Pipeline['tasks'][number];
const drop = (given: Pipeline, name: string): void => void (given.runners = listOf(given).filter(({ taskName }) => taskName !== name));
const addTask = (given: Pipeline, name: string, fields: Record<string, unknown> = {}): void => {
  given.tasks.push(task(name));
  listOf(given).push(new ScriptedRunner({ taskName: name, returns: ['processed', 'failed'], ...fields }));
};
class Forget extends RequestTaskRunner {
  readonly taskName = 'Forget';
  readonly requestTypes: readonly string[] = ['delete'];
  runProcess = (): string => 'processed';
}
const addRequest = (given: Pipeline, fields: Record<string, unknown>): void => {
  given.tasks.push(task('Forget', 'request'));
  (given.runners as unknown[]).push(Object.assign(new Forget(), fields));
};
const dropField = (given: Pipeline, name: string, ...fields: string[]): void => {
  for (const field of fields) Reflect.deleteProperty(runnerOf(given, name), field);
};

const MISTAKES: readonly Mistake[] = [
  // Names.
  ['a runner does a task with a letter missing', (p) => declare(p, 'Host match', { taskName: 'Host mach' }), ['unknown-task'], ['Host mach', 'Did you mean "Host match"?']],
  ['a runner does a task in other capitals', (p) => declare(p, 'Host match', { taskName: 'Host Match' }), ['unknown-task'], ['"Host Match"', '"Host match"', 'capital letters only']],
  ['a runner does a task with a space behind', (p) => declare(p, 'Host match', { taskName: 'Host match ' }), ['unknown-task'], ['"Host match "', 'spaces only']],
  ['a runner does a task that is nowhere near a known one', (p) => declare(p, 'Host match', { taskName: 'Spectrum' }), ['unknown-task'], ['"Spectrum"', 'Known: "Cutout download"']],
  ['a prerequisite names a task with two letters swapped', (p) => await_(p, 'Generate thumbnail', { 'Cutuot download': 'processed' }), ['unknown-prerequisite-task'], ['Generate thumbnail', 'Cutuot download', '"Cutout download"']],
  ['a prerequisite has a status with a letter missing', (p) => await_(p, 'Host information', { 'Host match': 'procesed' }), ['unknown-prerequisite-status'], ['"Host match"', '"procesed"', '"processed"']],
  ['a prerequisite has a status in other capitals and spaces', (p) => await_(p, 'Host information', { 'Host match': 'No  host match' }), ['unknown-prerequisite-status'], ['spaces and capital letters']],
  ['the failed status is misspelt as in Blast', (p) => declare(p, 'Host match', { failedStatusMessage: 'no ghost match' }), ['unknown-failed-status'], ['"no ghost match"', '"no host match"']],
  ['a returned status does not exist', (p) => declare(p, 'Validate global photometry', { returns: ['processed', 'global photometry validation failed'] }), ['unknown-returned-status'], ['global photometry validation failed']],
  ['a task has an empty name', (p) => void p.tasks.push({ ...task(''), active: false }), ['name-empty'], ['task number 19']],
  ['a task name has a space behind', (p) => void p.tasks.push({ ...task('Spectrum '), active: false }), ['name-spaces'], ['"Spectrum "']],
  ['a status message has a line break', (p) => void p.statuses.push({ message: 'no\nhost', type: 'error' }), ['name-spaces', 'names-alike'], ['no\\nhost']],
  ['a task name is longer than its column', (p) => void p.tasks.push({ ...task('x'.repeat(101)), active: false }), ['name-too-long'], ['101 characters', '100']],
  ['a status message is longer than its column', (p) => void p.statuses.push({ message: 'y'.repeat(65), type: 'error' }), ['name-too-long'], ['65 characters', '64']],
  ['a task is there twice', (p) => void p.tasks.push(task('Host match')), ['name-twice'], ['Host match', 'twice']],
  ['a status is there twice', (p) => void p.statuses.push({ message: 'failed', type: 'warning' }), ['name-twice'], ['status "failed"']],
  ['two statuses differ in capitals only', (p) => void p.statuses.push({ message: 'No Host Match', type: 'error' }), ['names-alike'], ['"No Host Match"', '"no host match"']],
  ['a status is of an unknown type', (p) => void p.statuses.push({ message: 'odd', type: 'eror' as 'error' }), ['status-type-unknown'], ['"odd"', '"eror"', 'warning']],
  ['a built-in status is missing', (p) => void (p.statuses = p.statuses.filter(({ message }) => message !== 'time limit exceeded')), ['built-in-missing'], ['"time limit exceeded"', 'error']],
  ['a built-in status has another type', (p) => void (p.statuses = p.statuses.map((one) => (one.message === 'processing' ? { ...one, type: 'blank' } : one))), ['built-in-type'], ['"processing"', 'warning', 'blank']],
  ['a row of the tasks is no task', (p) => void p.tasks.push(null as never), ['fixture-unreadable'], ['Number 19 of the tasks', 'name']],
  ['a task has no kind', (p) => void p.tasks.push({ ...task('Spectrum', ''), active: false }), ['fixture-unreadable'], ['Spectrum', 'kind']],

  // The list and its members.
  ['the runners are one runner', (p) => void (p.runners = listOf(p)[0]), ['runners-not-a-list'], ['an object']],
  ['the runners are the module that holds the list', (p) => void (p.runners = { periodicRunners: p.runners }), ['runners-not-a-list'], ['periodicRunners', 'give that one']],
  ['the runners are undefined', (p) => void (p.runners = undefined), ['runners-not-a-list'], ['undefined']],
  ['the list of runners is empty', (p) => void (p.runners = []), ['no-runners'], ['empty']],
  ['a member is the class', (p) => void listOf(p).push(ScriptedRunner as never), ['class-not-instance'], ['Number 19', 'new ScriptedRunner()']],
  ['a member is missing', (p) => void listOf(p).splice(3, 1, undefined as never), ['not-a-runner'], ['Number 4', 'undefined']],
  ['a member is a module with a default export', (p) => void listOf(p).push({ default: ScriptedRunner } as never), ['not-a-runner'], ['"default"', 'Import the class']],
  ['a member is a promise of a runner', (p) => void listOf(p).push(Promise.resolve(new ScriptedRunner()) as never), ['not-a-runner'], ['promise', 'Await']],
  ['a member is a plain object with the right fields', (p) => void listOf(p).splice(3, 1, { ...listOf(p)[3], runProcess: () => 'processed' } as never), ['not-a-runner'], ['Host match', 'without the class']],
  ['a member comes from another copy of the base classes', (p) => void listOf(p).splice(3, 1, new (otherCopy())()), ['not-a-runner'], ['TransientTaskRunner of another copy']],
  ['a member extends the root class', (p) => void listOf(p).push(new Rootless() as never), ['not-a-runner'], ['extends TaskRunner itself']],
  ['a member is a function', (p) => void listOf(p).push(function hostMatch() {} as never), ['not-a-runner'], ['hostMatch']],

  // The fields.
  ['the method that does the work is missing', (p) => declare(p, 'Host match', { runProcess: undefined }), ['run-process-missing'], ['runProcess']],
  ['the method is written as in Blast', (p) => declare(p, 'Host match', { runProcess: undefined, _run_process: () => 'processed' }), ['run-process-missing'], ['"_run_process"']],
  ['the failed status is missing', (p) => dropField(p, 'Host match', 'failedStatusMessage'), ['field-missing'], ['failedStatusMessage']],
  ['the prerequisites are misspelt', (p) => (dropField(p, 'Cutout download', 'prerequisites'), declare(p, 'Cutout download', { prerequisities: {} })), ['field-missing'], ['prerequisites', '"prerequisities"']],
  ['the prerequisites are a method', (p) => declare(p, 'Cutout download', { prerequisites: () => ({}) }), ['field-wrong-type'], ['a function', 'not as a method']],
  ['the prerequisites are a list of names', (p) => declare(p, 'Generate thumbnail', { prerequisites: ['Cutout download'] }), ['field-wrong-type'], ['a list', "{ 'Host match': 'processed' }"]],
  ['the prerequisites are a Map', (p) => declare(p, 'Generate thumbnail', { prerequisites: new Map([['Cutout download', 'processed']]) }), ['field-wrong-type'], ['prerequisites']],
  ['the name of the task is no text', (p) => void listOf(p).push(new ScriptedRunner({ taskName: 7 })), ['field-wrong-type'], ['taskName', '7']],
  ['initially enabled is a text', (p) => declare(p, 'Host match', { initiallyEnabled: 'false' }), ['field-wrong-type'], ['initiallyEnabled', '"false"']],
  ['wakes is misspelt', (p) => declare(p, 'Host match', { wakes: 'at-once' }), ['field-wrong-type'], ['wakes', "'at once'"]],
  ['returns is one text', (p) => declare(p, 'Cutout download', { returns: 'processed' }), ['field-wrong-type'], ['returns', 'list']],
  ['a system runner has a text for a flag', (p) => declare(p, 'Prune history', { runsAtStart: 'yes' }), ['field-wrong-type'], ['runsAtStart', 'true or false']],
  ['a field cannot be read', (p) => Object.defineProperty(runnerOf(p, 'Generate thumbnail'), 'returns', { get: () => { throw new Error('not yet'); } }), ['field-unreadable'], ['returns', 'not yet']],
  ['a time zone is in a misspelt field', (p) => declare(p, 'Host match', { timezone: 'Europe/Copenhagen' }), ['field-misspelt'], ['"timezone"', 'timeZone']],
  ['a time limit is in a field without its unit', (p) => declare(p, 'Host match', { time_limit: 60 }), ['field-misspelt'], ['"time_limit"', 'timeLimitSeconds']],
  ['a system runner has prerequisites', (p) => declare(p, 'Prune history', { prerequisites: { 'Host match': 'processed' } }), ['field-ignored'], ['prerequisites']],

  // Schedules, limits, versions.
  ['a cron expression has four fields', (p) => declare(p, 'Host match', { schedule: '* * * *' }), ['cron-invalid'], ['"* * * *"', '5 or 6 fields']],
  ['a cron expression has minute 61', (p) => declare(p, 'Host match', { schedule: '61 * * * *' }), ['cron-invalid'], ['61']],
  ['a cron expression is empty', (p) => declare(p, 'Host match', { schedule: '' }), ['cron-invalid'], ['""']],
  ['an interval is written as a text', (p) => declare(p, 'Host match', { schedule: '60' }), ['cron-invalid'], ['write the number']],
  ['a schedule fires on 31 February', (p) => declare(p, 'Host match', { schedule: '0 0 31 2 *' }), ['cron-never-fires'], ['0 0 31 2 *']],
  ['a schedule fires on the second Monday if that is the first of the month', (p) => declare(p, 'Host match', { schedule: '0 0 1 * 1#2' }), ['cron-never-fires'], ['1#2']],
  ['an interval is zero', (p) => declare(p, 'Host match', { schedule: 0 }), ['interval-invalid'], ['it is 0']],
  ['an interval is negative', (p) => declare(p, 'Host match', { schedule: -60 }), ['interval-invalid'], ['-60']],
  ['an interval is not a number', (p) => declare(p, 'Host match', { schedule: NaN }), ['interval-invalid'], ['NaN']],
  ['an interval is a fraction of a millisecond', (p) => declare(p, 'Host match', { schedule: 10 / 3 }), ['interval-invalid'], ['milliseconds']],
  ['an interval is in milliseconds', (p) => declare(p, 'Host match', { schedule: 3_600_000 }), ['interval-odd'], ['42 days', 'milliseconds']],
  ['an interval is a tenth of a second', (p) => declare(p, 'Host match', { schedule: 0.1 }), ['interval-odd'], ['0.1 s']],
  ['a schedule is a Date', (p) => declare(p, 'Host match', { schedule: new Date(0) }), ['field-wrong-type'], ['schedule']],
  ['a time zone has a German name', (p) => declare(p, 'Host match', { timeZone: 'Europe/Kopenhagen' }), ['time-zone-invalid'], ['Europe/Kopenhagen', 'Europe/Copenhagen']],
  ['a time zone is empty', (p) => declare(p, 'Host match', { timeZone: '' }), ['time-zone-invalid'], ['""']],
  ['a time zone is a number of hours', (p) => declare(p, 'Host match', { timeZone: 2 }), ['time-zone-invalid'], ['timeZone', 'no text']],
  ['a runner has a time limit of zero', (p) => declare(p, 'Host match', { timeLimitSeconds: 0 }), ['time-limit-invalid'], ['timeLimitSeconds', 'Infinity']],
  ['a runner has a time limit that is not a number', (p) => declare(p, 'Host match', { timeLimitSeconds: NaN }), ['time-limit-invalid'], ['NaN']],
  ['a task has a negative time limit', (p) => void (fixtureOf(p, 'Host match').timeLimitSeconds = -1), ['time-limit-invalid'], ['Host match', '-1']],
  ['a time limit is in milliseconds', (p) => void (fixtureOf(p, 'Host match').timeLimitSeconds = 3_600_000), ['time-limit-invalid'], ['24.8 days']],
  ['a version is a text', (p) => declare(p, 'Host match', { version: '1.2' }), ['version-invalid'], ['"1.2"']],
  ['a version is zero', (p) => declare(p, 'Host match', { version: 0 }), ['version-invalid'], ['whole number']],

  ['a runner needs what is not there', (p) => declare(p, 'Host match', { problems: () => ['The script /srv/host.py does not exist.'] }), ['runner-unusable'], ['cannot work. The script /srv/host.py does not exist.']],
  ['a runner cannot say what it needs', (p) => declare(p, 'Host match', { problems: () => { throw new Error('no disk'); } }), ['runner-unusable'], ['cannot say what keeps it from working here: no disk.']],
  ['a runner for other machines needs what is not on this one', (p) => declare(p, 'Host match', { requires: ['gpu'], problems: () => ['There is no GPU.'] }), ['runner-unusable-here'], ['on this machine', 'There is no GPU.']],
  ['missed slots are all caught up', (p) => declare(p, 'Host match', { missedSlots: 'all' }), ['missed-slots-invalid'], ["'once' or { all: n }", '"all"']],
  ['missed slots are caught up a million times', (p) => declare(p, 'Prune history', { missedSlots: { all: 1e6 } }), ['missed-slots-invalid'], ['1 to 1000', '{ all: 1000000 }']],
  ['a system task has an execution time', (p) => void (fixtureOf(p, 'Prune history').window = { opens: '22:00:00', closes: '06:00:00', zone: 'UTC' }), ['window-ignored'], ['Prune history', 'schedule']],

  // Retries.
  ['a retry policy has no attempt', (p) => declare(p, 'Host match', { retry: { attempts: 0 } }), ['retry-invalid'], ['retry.attempts', '1 to 100', 'it is 0']],
  ['a retry policy has half an attempt', (p) => declare(p, 'Host match', { retry: { attempts: 1.5 } }), ['retry-invalid'], ['whole number', '1.5']],
  ['a retry policy has attempts without end', (p) => declare(p, 'Host match', { retry: { attempts: Infinity } }), ['retry-invalid'], ['Infinity']],
  ['a retry policy has a thousand million attempts', (p) => declare(p, 'Host match', { retry: { attempts: 1e9 } }), ['retry-invalid'], ['1000000000']],
  ['a retry policy has attempts that are not given', (p) => declare(p, 'Host match', { retry: { attempts: undefined } }), ['retry-invalid'], ['retry.attempts', 'undefined']],
  ['a retry waits for less than no time', (p) => declare(p, 'Host match', { retry: { baseSeconds: -1 } }), ['retry-invalid'], ['retry.baseSeconds', '-1']],
  ['a retry waits for no number', (p) => declare(p, 'Host match', { retry: { baseSeconds: NaN } }), ['retry-invalid'], ['NaN']],
  ['retries come ever faster', (p) => declare(p, 'Host match', { retry: { factor: 0.5 } }), ['retry-invalid'], ['retry.factor', '1 to 100']],
  ['retries wait for the end of the universe', (p) => declare(p, 'Host match', { retry: { factor: 1e9 } }), ['retry-invalid'], ['retry.factor', '1000000000']],
  ['the cap is infinite', (p) => declare(p, 'Host match', { retry: { capSeconds: Infinity } }), ['retry-invalid'], ['retry.capSeconds', 'a year']],
  ['the cap is below the base', (p) => declare(p, 'Host match', { retry: { baseSeconds: 60, capSeconds: 30 } }), ['retry-invalid'], ['at least baseSeconds, which is 60, but it is 30']],
  ['the base is above the usual cap', (p) => declare(p, 'Host match', { retry: { baseSeconds: 7200 } }), ['retry-invalid'], ['which is 7200, but unless given it is 3600']],
  ['the budget of retries is nothing', (p) => declare(p, 'Host match', { retry: { perHour: 0 } }), ['retry-invalid'], ['retry.perHour']],
  ['a switch of the retry policy is a text', (p) => declare(p, 'Host match', { retry: { thrown: 'yes' } }), ['retry-invalid'], ['retry.thrown', 'true or false', '"yes"']],
  ['a field of the retry policy is misspelt', (p) => declare(p, 'Host match', { retry: { attemps: 3 } }), ['retry-invalid'], ['"attemps"', 'Did you mean "attempts"?']],
  ['a field of the retry policy is one that every object has', (p) => declare(p, 'Host match', { retry: { constructor: 3 } }), ['retry-invalid'], ['"constructor"', 'Known: "attempts"']],
  ['two fields of the retry policy are wrong', (p) => declare(p, 'Host match', { retry: { attempts: 0, factor: 0 } }), ['retry-invalid', 'retry-invalid'], ['retry.attempts']],
  ['the retry policy is a number', (p) => declare(p, 'Host match', { retry: 3 }), ['field-wrong-type'], ['retry', '{ attempts: 10 }', 'it is 3']],
  ['a system runner has a retry policy', (p) => declare(p, 'Prune history', { retry: { attempts: 3 } }), ['field-ignored'], ['retry', 'without an object']],

  // What an attempt may take.
  ['a concurrency is zero', (p) => declare(p, 'Host match', { concurrency: 0 }), ['concurrency-invalid'], ['concurrency', 'it is 0']],
  ['a concurrency is a fraction', (p) => declare(p, 'Host match', { concurrency: 1.5 }), ['concurrency-invalid'], ['1.5']],
  ['a concurrency is infinite', (p) => declare(p, 'Host match', { concurrency: Infinity }), ['concurrency-invalid'], ['undefined for no limit']],
  ['a resource has a letter too many', (p) => declare(p, 'Host match', { uses: { tnss: 1 } }), ['unknown-resource'], ['"tnss"', 'Did you mean "tns"?']],
  ['a resource is named by its beginning', (p) => declare(p, 'Host match', { uses: { image: 1 } }), ['unknown-resource'], ['"image"', '"image archive"']],
  ['a resource has no name', (p) => declare(p, 'Host match', { uses: { '': 1 } }), ['unknown-resource'], ['uses ""']],
  ['a resource is used and the fixtures have none', (p) => void (p.resources = [], declare(p, 'Host match', { uses: { tns: 1 } })), ['unknown-resource'], ['None is known.']],
  ['an attempt takes nothing of a resource', (p) => declare(p, 'Host match', { uses: { tns: 0 } }), ['units-invalid'], ['"tns"', 'it is 0']],
  ['an attempt takes half a unit', (p) => declare(p, 'Host match', { uses: { tns: 0.5 } }), ['units-invalid'], ['0.5']],
  ['an attempt takes less than nothing', (p) => declare(p, 'Host match', { uses: { tns: -1 } }), ['units-invalid'], ['-1']],
  ['an attempt takes no number', (p) => declare(p, 'Host match', { uses: { tns: NaN } }), ['units-invalid'], ['NaN']],
  ['an attempt takes a thousand million', (p) => declare(p, 'Host match', { uses: { 'scratch disk': 1e9 } }), ['units-invalid'], ['1000000000']],
  ['an attempt takes a resource, full stop', (p) => declare(p, 'Host match', { uses: { tns: true } }), ['units-invalid'], ['how many units', 'true']],
  ['an attempt takes more than there is', (p) => declare(p, 'Host match', { uses: { tns: 5 } }), ['units-never-free'], ['5 of "tns"', 'there are 4', 'never run']],
  ['an attempt takes more than there is in a minute', (p) => declare(p, 'Host match', { uses: { 'image archive': 11 } }), ['units-never-free'], ['there are 10 a minute']],
  ['resources are a list', (p) => declare(p, 'Host match', { uses: ['tns'] }), ['field-wrong-type'], ['uses', '{ tns: 1 }', 'a list']],
  ['two resources differ in capitals only', (p) => void p.resources.push(resource('TNS')), ['names-alike'], ['resource "TNS"', '"tns"']],
  ['a row of the resources is none', (p) => void p.resources.push(7 as never), ['fixture-unreadable'], ['Number 4 of the resources']],
  ['the isolation is misspelt', (p) => declare(p, 'Host match', { isolation: 'proces' }), ['field-wrong-type'], ["isolation should be 'none' or 'process'", '"proces"']],
  ['a memory limit is in bytes', (p) => declare(p, 'Host match', { isolation: 'process', memoryLimitMiB: 512 * 2 ** 20 }), ['memory-limit-invalid'], ['MiB', '536870912']],
  ['a memory limit is too small for Node itself', (p) => declare(p, 'Host match', { isolation: 'process', memoryLimitMiB: 32 }), ['memory-limit-invalid'], ['64', '32']],
  ['a memory limit is not a number', (p) => declare(p, 'Host match', { isolation: 'process', memoryLimitMiB: NaN }), ['memory-limit-invalid'], ['NaN']],
  ['a memory limit is for no process of its own', (p) => declare(p, 'Host match', { memoryLimitMiB: 512 }), ['memory-limit-unenforced'], ["isolation = 'process'"]],
  ['a memory limit is in a misspelt field', (p) => declare(p, 'Host match', { memoryLimitMB: 512 }), ['field-misspelt'], ['memoryLimitMiB']],
  ['a grace time is negative', (p) => declare(p, 'Host match', { killGraceSeconds: -1 }), ['kill-grace-invalid'], ['killGraceSeconds', '-1']],
  ['a grace time is infinite', (p) => declare(p, 'Host match', { killGraceSeconds: Infinity }), ['kill-grace-invalid'], ['Infinity']],
  ['a required label is empty', (p) => declare(p, 'Host match', { requires: ['gpu', ''] }), ['label-invalid'], ['requires', '""']],
  ['a runner reads a figure with a letter missing', (p) => declare(p, 'Host match', { reads: ['redshft', 'data.light_curve_fit'] }), ['reads-unknown'], ['"redshft"', 'Did you mean "redshift"?']],
  ['a runner reads a figure as one text', (p) => declare(p, 'Host match', { reads: 'redshift' }), ['field-wrong-type'], ['reads', "['position', 'redshift']"]],
  ['a qualifier is a function', (p) => declare(p, 'Host match', { qualifiers: [() => true] }), ['policy-invalid'], ['qualifiers', "setting('night', true)"]],
  ['two required labels are one text', (p) => declare(p, 'Host match', { requires: ['gpu,big'] }), ['label-invalid'], ['"gpu,big"']],
  ['a required label is a number', (p) => declare(p, 'Host match', { requires: [1] }), ['label-invalid'], ['is 1']],
  ['the required labels are one text', (p) => declare(p, 'Host match', { requires: 'gpu' }), ['field-wrong-type'], ["['gpu']"]],
  ['required labels are misspelt', (p) => declare(p, 'Host match', { require: ['gpu'] }), ['field-misspelt'], ['Did you mean requires?']],

  // Who does what.
  ['two runners do one task', (p) => void listOf(p).push(new ScriptedRunner({ taskName: 'Host match' })), ['two-runners'], ['Host match', 'ScriptedRunner', 'EmptyRunner (number 4 of the list, ']],
  ['one runner is listed twice', (p) => void listOf(p).push(listOf(p)[3] as TransientTaskRunner), ['two-runners'], ['Host match', 'number 4', 'number 19']],
  ['a task has no runner', (p) => void p.tasks.push(task('Spectrum')), ['no-runner'], ['Spectrum', 'active: false']],
  ['a task that others wait for has no runner', (p) => drop(p, 'Crop transient images'), ['awaits-missing-runner', 'no-runner'], ['Crop transient images', 'no runner does that task']],
  ['a system runner does a task of transients', (p) => void (drop(p, 'Host match'), listOf(p).push(systemRunner('Host match') as never)), ['system-runner-on-object-task'], ['Host match', 'transient']],
  ['a transient runner does a system task', (p) => void (p.tasks.push(task('Draw', 'system')), listOf(p).push(new ScriptedRunner({ taskName: 'Draw' }))), ['object-runner-on-system-task'], ['Draw', 'SystemTaskRunner']],
  ['a runner is of another kind than its task', (p) => declare(p, 'Host match', { kind: 'request' }), ['kind-mismatch'], ['"request"', '"transient"']],
  ['a task is of another kind than its runner', (p) => void (fixtureOf(p, 'Host match').kind = 'Transient'), ['kind-mismatch'], ['"Transient"', '"transient"']],

  // What is left behind.
  ['the failed status is a success', (p) => declare(p, 'Generate thumbnail', { failedStatusMessage: 'processed' }), ['failed-status-success'], ['"processed"', 'success']],
  ['the failed status is processing', (p) => declare(p, 'Generate thumbnail', { failedStatusMessage: 'processing' }), ['failed-status-processing'], ['"processing"']],
  ['the failed status is a blank one', (p) => (p.statuses.push({ message: 'later', type: 'blank' }), declare(p, 'Generate thumbnail', { failedStatusMessage: 'later' })), ['failed-status-blank'], ['"later"', 'blank']],
  ['the failed status is the initial one', (p) => declare(p, 'Generate thumbnail', { failedStatusMessage: 'not processed' }), ['selects-for-ever'], ['leaves it when it throws']],
  ['the initial status is returned', (p) => declare(p, 'Generate thumbnail', { returns: ['processed', 'not processed'] }), ['selects-for-ever'], ['may return it']],
  ['processing is returned', (p) => declare(p, 'Generate thumbnail', { returns: ['processed', 'processing'] }), ['returns-processing'], ['"processing"']],
  ['nothing may be returned', (p) => declare(p, 'Generate thumbnail SED local', { returns: [] }), ['returns-nothing'], ['empty']],
  ['only failures may be returned', (p) => declare(p, 'Generate thumbnail SED local', { returns: ['failed', 'blocked'] }), ['returns-no-success'], ['"failed" or "blocked"']],
  ['failures are retried without end', (p) => await_(p, 'Generate thumbnail SED local', { 'Generate thumbnail SED local': 'failed' }), ['selects-for-ever'], ['Generate thumbnail SED local', '"failed"', 'leaves it when it throws']],
  ['results are made again without end', (p) => await_(p, 'Generate thumbnail SED local', { 'Generate thumbnail SED local': 'processed' }), ['selects-for-ever'], ['"processed"', 'may return it']],
  ['time-outs are retried without end', (p) => await_(p, 'Generate thumbnail SED local', { 'Generate thumbnail SED local': 'time limit exceeded' }), ['selects-for-ever', 'own-status-unreached'], ['at the time limit']],

  // What is waited for.
  ['a prerequisite has an empty list of alternatives', (p) => await_(p, 'Host information', { 'Host match': [] }), ['prerequisite-not-text'], ['Host match', 'no statuses']],
  ['an alternative is no text', (p) => await_(p, 'Host information', { 'Host match': ['processed', undefined] }), ['prerequisite-not-text'], ['Host match', 'undefined']],
  ['an alternative is misspelt', (p) => await_(p, 'Host information', { 'Host match': ['processed', 'no hots match'] }), ['unknown-prerequisite-status'], ['Host match', '"no hots match"', '"no host match"']],
  ['an own task is named with alternatives', (p) => await_(p, 'Host match', { 'Host match': ['not processed', 'failed'] }), ['own-status-several'], ['Host match', '"not processed" or "failed"']],
  ['one of two alternatives is never left', (p) => await_(p, 'Generate thumbnail final', { 'Host match': ['processed', 'no host'] }), ['alternative-unproduced'], ['Host match', '"no host"', '"no host match"']],
  ['no alternative is ever left', (p) => await_(p, 'Generate thumbnail final', { 'Host match': ['no host', 'blocked'] }), ['awaits-unproduced-status'], ['Host match', '"no host" or "blocked"']],
  ['two tasks wait for alternatives of each other', (p) => {
    addTask(p, 'Plan B', { prerequisites: { 'Plan A': ['failed', 'processed'] } });
    addTask(p, 'Plan A', { prerequisites: { 'Plan B': ['processing', 'processed'] } });
  }, ['cycle'], ['"Plan A"', '"failed" or "processed"']],
  ['two tasks want alternatives of a third that have nothing in common', (p) => {
    addTask(p, 'Plan B', { prerequisites: { 'Host match': ['no host match', 'time limit exceeded'] } });
    addTask(p, 'Report', { prerequisites: { 'Plan B': 'processed', 'Host information': 'processed' } });
  }, ['contradiction'], ['Report', 'Host match', '"no host match" or "time limit exceeded"', '"processed"']],
  ['a prerequisite is true', (p) => await_(p, 'Host information', { 'Host match': true }), ['prerequisite-not-text'], ['true']],
  ['a prerequisite is on a system task', (p) => await_(p, 'Host match', { 'Prune history': 'processed' }), ['prerequisite-on-system-task'], ['Prune history']],
  ['a prerequisite is on a task of other objects', (p) => void (p.tasks.push(task('Approve', 'request')), listOf(p).push(new ScriptedRunner({ taskName: 'Approve', kind: 'request' })), await_(p, 'Host match', { Approve: 'processed' })), ['prerequisite-on-other-kind'], ['Approve', '"request"']],
  ['a prerequisite is on an inactive task', (p) => void (fixtureOf(p, 'Crop transient images').active = false), ['awaits-inactive-task'], ['Generate thumbnail final', 'Crop transient images', 'inactive']],
  ['a runner that others wait for is disabled at first', (p) => declare(p, 'Crop transient images', { initiallyEnabled: false }), ['awaits-disabled-runner'], ['Crop transient images', 'Generate thumbnail final']],
  ['an own status is processing', (p) => await_(p, 'Host match', { 'Host match': 'processing' }), ['own-status-processing'], ['Host match']],
  ['an own status is one that entries never have', (p) => await_(p, 'Host match', { 'Host match': 'blocked' }), ['own-status-unreached'], ['Host match', '"blocked"']],
  ['a status is awaited that the other runner never leaves', (p) => await_(p, 'Generate thumbnail final', { 'Host match': 'no host' }), ['awaits-unproduced-status'], ['Host match', '"no host"', '"no host match"']],
  ['another task is awaited while it runs', (p) => addTask(p, 'Watch', { prerequisites: { 'Host match': 'processing' } }), ['awaits-processing'], ['Host match']],
  ['the time limit of a task without one is awaited', (p) => (declare(p, 'Host match', { timeLimitSeconds: Infinity }), addTask(p, 'Watch', { prerequisites: { 'Host match': 'time limit exceeded' } })), ['awaits-time-limit'], ['Host match', 'no time limit']],

  // Requests.
  ['a task of requests is for no type of them', (p) => addRequest(p, { requestTypes: [] }), ['request-types-invalid'], ['"Forget"', "['delete']"]],
  ['a task of requests is for a type that is no list', (p) => addRequest(p, { requestTypes: 'delete' }), ['request-types-invalid'], ['"Forget"', '"delete"']],
  ['a task of requests needs an identifier that none can have', (p) => addRequest(p, { needsIdentifiers: ['uuid', 'GA client'] }), ['request-identifiers-invalid'], ['"Forget"', '"GA client"']],
  ['a task of requests waits for a batch that there is not', (p) => addRequest(p, { batch: 'daily' }), ['request-batch-invalid'], ['"Forget"', '"weekly"', '"daily"']],

  // The whole graph.
  ['two tasks wait for each other', (p) => await_(p, 'Cutout download', { 'Generate thumbnail': 'processed' }), ['cycle'], ['Cutout download', 'Generate thumbnail']],
  ['the first of four tasks waits for the last', (p) => await_(p, 'Cutout download', { 'Host information': 'processed' }), ['cycle'], ['Cutout download', 'Host information']],
  ['two tasks wait for failures of each other', (p) => (addTask(p, 'Plan B', { prerequisites: { 'Plan A': 'failed' } }), addTask(p, 'Plan A', { prerequisites: { 'Plan B': 'failed' } })), ['cycle'], ['Plan A', 'Plan B', '"failed"']],
  ['five tasks wait for one another in a circle', (p) => ['A', 'B', 'C', 'D', 'E'].forEach((name, at, all) => addTask(p, name, { prerequisites: { [all[(at + 1) % 5] as string]: 'processed' } })), ['cycle'], ['circle of 5', '"A" waits for "B"', '"D" waits for "E"', 'and "E" waits for "A"']],
  ['two circles are closed', (p) => (await_(p, 'Cutout download', { 'Generate thumbnail': 'processed' }), await_(p, 'Host match', { 'Host information': 'processed' })), ['cycle', 'cycle'], ['Cutout download', 'Generate thumbnail']],
  ['a task waits for a late one and that an early one is untouched', (p) => await_(p, 'Generate thumbnail final', { 'Host match': 'not processed' }), ['contradiction'], ['Generate thumbnail final', 'Host match', 'still "not processed"']],
  ['a task waits for both ends of another', (p) => (addTask(p, 'Plan B', { prerequisites: { 'Host match': 'no host match' } }), addTask(p, 'Report', { prerequisites: { 'Plan B': 'processed', 'Host information': 'processed' } })), ['contradiction'], ['Report', 'Host match', '"no host match"', '"processed"']],
  ['three tasks want to be first of two each, and one wants all of them', (p) => {
    addTask(p, 'X', { prerequisites: { Y: 'not processed' } });
    addTask(p, 'Y', { prerequisites: { Z: 'not processed' } });
    addTask(p, 'Z', { prerequisites: { X: 'not processed' } });
    addTask(p, 'All', { prerequisites: { X: 'processed', Y: 'processed', Z: 'processed' } });
  }, ['contradiction'], ['"All"', '"X" must begin while "Y" is still', '"Z" must begin while "X" is still']],
  ['a task wants to see another running whose end it waits for', (p) => {
    addTask(p, 'Watch', { prerequisites: { 'Generate thumbnail': 'processing', 'Generate thumbnail final': 'processed' } });
  }, ['contradiction', 'awaits-processing'], ['Watch', '"Generate thumbnail" is still "processing"']],
];

describe('every mistake is caught by its code and by name, and alone', () => {
  test.each(MISTAKES)('%s', (_what, make, codes, words) => {
    const given = pipeline();
    make(given);
    const findings = checkGraph(given);
    expect(findings.map(({ code }) => code)).toEqual(codes);
    for (const word of words) expect(findings[0]?.message).toContain(word);
    for (const { message } of findings) expect(message).toMatch(/^[\p{Lu}"\p{L}].*[.?]$/u);
  });

  test('there are at least thirty of them, of every code that a finding can have', () => {
    expect(MISTAKES.length).toBeGreaterThanOrEqual(30);
    expect(new Set(MISTAKES.flatMap(([, , codes]) => codes))).toEqual(new Set(Object.keys(SEVERITY)));
  });
});

describe('no alarm is given', () => {
  test('for the seventeen tasks of Blast', () => {
    expect(blast17.tasks).toHaveLength(17);
    expect(blast17.runners).toHaveLength(17);
    expect(blast17.statuses).toHaveLength(15);
    expect(checkGraph(blast17)).toEqual([]);
  });

  const LEGAL: readonly (readonly [what: string, make: (given: Pipeline) => void])[] = [
    ['for the pipeline that the mistakes are made in', () => {}],
    ['when returns are not declared at all', (p) => listOf(p).forEach((runner) => Object.assign(runner, { returns: undefined }))],
    ['when own statuses are not named', (p) => listOf(p).forEach((runner) => runner instanceof TransientTaskRunner && declare(p, runner.taskName, { prerequisites: Object.fromEntries(Object.entries(runner.prerequisites).filter(([name]) => name !== runner.taskName)) }))],
    ['when a status of type error is awaited', (p) => addTask(p, 'Second look', { prerequisites: { 'Host match': 'no host match' } })],
    ['when a status of type error is an alternative', (p) => await_(p, 'Host information', { 'Host match': ['processed', 'no host match'] })],
    ['when an alternative of two waits is the same', (p) => {
      addTask(p, 'Plan B', { prerequisites: { 'Host match': ['processed', 'no host match'] } });
      addTask(p, 'Report', { prerequisites: { 'Plan B': 'processed', 'Host information': 'processed' } });
    }],
    ['when a task may go on before another one or after it', (p) => await_(p, 'Generate thumbnail final', { 'Host match': ['not processed', 'processed'] })],
    ['when a time-out is awaited of a task with a limit', (p) => addTask(p, 'Second look', { prerequisites: { 'Host match': 'time limit exceeded' } })],
    ['when a task runs before another one that it does not wait for', (p) => await_(p, 'Generate thumbnail', { 'Host match': 'not processed' })],
    ['when two tasks exclude each other', (p) => (addTask(p, 'Fast fit', { prerequisites: { 'Slow fit': 'not processed' } }), addTask(p, 'Slow fit', { prerequisites: { 'Fast fit': 'not processed' } }))],
    ['when a task waits for one that had to begin first', (p) => (await_(p, 'Host match', { 'Host information': 'not processed' }))],
    ['when a runner that nobody waits for is disabled at first', (p) => declare(p, 'Generate thumbnail final', { initiallyEnabled: false })],
    ['when an inactive task has no runner', (p) => void p.tasks.push({ ...task('Later'), active: false })],
    ['when it is awaited that an inactive task is untouched', (p) => (p.tasks.push({ ...task('Later'), active: false }), await_(p, 'Host match', { Later: 'not processed' }))],
    ['when fixtures give the status that no runner leaves', (p) => (void (p.entries = [{ task: 'Host match', status: 'no host' }]), await_(p, 'Generate thumbnail', { 'Host match': 'no host' }))],
    ['when a status given by fixtures is where a task starts from', (p) => (void (p.entries = [{ task: 'Crop transient images', status: 'blocked' }]), await_(p, 'Crop transient images', { 'Crop transient images': 'blocked' }))],
    ['for schedules of all forms', (p) => ['@daily', '*/5 * * * * *', '0 0 29 2 *', '0 0 29 2 1', '0 0 L * 5L', '0 0 15W * *', 90, 2.5].forEach((schedule, at) => Object.assign(listOf(p)[at] as object, { schedule, timeZone: 'America/La_Paz' }))],
    ['for policies and limits at the ends of what they may be', (p) => {
      declare(p, 'Host match', { retry: { attempts: 100, baseSeconds: 31_536_000, factor: 100, capSeconds: 31_536_000, perHour: 2 ** 31 - 1, thrown: true, timeLimit: true } });
      declare(p, 'Cutout download', { retry: { attempts: 1, baseSeconds: 0, factor: 1, capSeconds: 0, perHour: 1 }, concurrency: 1, uses: { tns: 4, 'image archive': 10, 'scratch disk': 1_000_000 } });
      declare(p, 'Host information', { isolation: 'process', memoryLimitMiB: 64, killGraceSeconds: 0, concurrency: 2 ** 31 - 1, requires: ['gpu', 'site:la-silla'], missedSlots: { all: 1000 } });
    }],
    ['for a task that has an execution time', (p) => void (fixtureOf(p, 'Host match').window = { opens: '22:00:00', closes: '06:00:00', zone: 'UTC' })],
    ['for a resource that begins like another one', (p) => (p.resources.push(resource('tns sandbox')), declare(p, 'Host match', { uses: { 'tns sandbox': 9 } }))],
    ['for a second kind of object', (p) => (p.tasks.push(task('Approve', 'request')), listOf(p).push(new ScriptedRunner({ taskName: 'Approve', kind: 'request' })))],
  ];
  test.each(LEGAL)('%s', (_what, make) => {
    const given = pipeline();
    make(given);
    expect(checkGraph(given)).toEqual([]);
  });
});

test('errors come before warnings, and the same input gives the same list', () => {
  const broken = (): Pipeline => {
    const given = pipeline();
    given.tasks.push(task('Spectrum'));
    declare(given, 'Host match', { version: 0, initiallyEnabled: false });
    await_(given, 'Cutout download', { 'Generate thumbnail': 'processed' });
    return given;
  };
  const findings = checkGraph(broken());
  expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(['error cycle', 'error version-invalid', 'warning awaits-disabled-runner', 'warning no-runner']);
  expect(checkGraph(broken())).toEqual(findings);
});

class Rootless extends TaskRunner {
  readonly taskName = 'Host match';
  readonly schedule = 60;
}

function systemRunner(taskName: string): Prune {
  return Object.assign(new Prune(), { taskName });
}

/** What a runner looks like whose author has a second copy of the package: the base class has the same name, but is another one. */
function otherCopy(): new () => TransientTaskRunner {
  class Base {
    readonly taskName = 'Host match';
    runProcess(): string {
      return 'processed';
    }
  }
  Object.defineProperty(Base, 'name', { value: 'TransientTaskRunner' });
  return class HostMatch extends Base {} as never;
}
