import { defineEntity, p } from '@mikro-orm/postgresql';

/**
 * The tables as MikroORM entities, for reading in pages, commands and runners. The hot statements of the engine are
 * static SQL instead, and every change of a status goes through them.
 */

const StatusSchema = defineEntity({
  name: 'Status',
  tableName: 'status',
  properties: { id: p.integer().primary(), message: p.text(), type: p.text().$type<'blank' | 'success' | 'warning' | 'error'>() },
});
/** A status of the fixtures. */
export class StatusRow extends StatusSchema.class {}
StatusSchema.setClass(StatusRow);

const TaskSchema = defineEntity({
  name: 'Task',
  tableName: 'task',
  properties: {
    id: p.integer().primary(),
    name: p.text(),
    kind: p.text(),
    description: p.text(),
    owner: p.text(),
    /** Seconds. */
    timeLimitSeconds: p.double().$type<number>().nullable(),
    active: p.boolean(),
    /** The status that an entry must have to be claimed. */
    claimFromId: p.integer(),
    failedStatusId: p.integer().nullable(),
    /** The newest version of its runner that has been at work here; 0 before the first. */
    runnerVersion: p.integer(),
    /** Attempts at once, over all daemons. */
    concurrency: p.integer().nullable(),
    /** Labels that a daemon must have to do it. */
    requires: p.array(),
    /** When it may be claimed, `HH:MM:SS` on the clock of `windowZone`; null for always. */
    windowFrom: p.time().nullable(),
    windowTo: p.time().nullable(),
    windowZone: p.text(),
  },
});
/** A task of the fixtures, with what its runner declares. */
export class TaskRow extends TaskSchema.class {}
TaskSchema.setClass(TaskRow);

const ResourceSchema = defineEntity({
  name: 'Resource',
  tableName: 'resource',
  properties: {
    name: p.text().primary(),
    description: p.text(),
    concurrency: p.integer().nullable(),
    perMinute: p.integer().nullable(),
    /** Whether it is asked; an open one is left alone until `openUntil`, then one attempt at a time tries it. */
    state: p.text().$type<'closed' | 'open'>(),
    /** In a row. */
    failures: p.integer(),
    openedAt: p.datetime().nullable(),
    openUntil: p.datetime().nullable(),
    lastError: p.text().nullable(),
    lastFailedAt: p.datetime().nullable(),
  },
});
/** What attempts share: a service outside, a licence, a disk. */
export class ResourceRow extends ResourceSchema.class {}
ResourceSchema.setClass(ResourceRow);

const SubjectSchema = defineEntity({
  name: 'Subject',
  tableName: 'subject',
  properties: {
    id: p.bigint('string').primary().autoincrement(),
    kind: p.text(),
    name: p.text(),
    publicTimestamp: p.datetime().nullable(),
    priority: p.integer().default(0),
    data: p.json<Record<string, unknown>>().default({} as never),
  },
});
/** An object of any kind. */
export class SubjectRow extends SubjectSchema.class {}
SubjectSchema.setClass(SubjectRow);

const TransientSchema = defineEntity({
  name: 'Transient',
  tableName: 'transient',
  properties: {
    subjectId: p.bigint('string').primary(),
    /** ICRS, degrees, 0 ≤ ra < 360. */
    raDeg: p.double().$type<number>(),
    /** ICRS, degrees. */
    decDeg: p.double().$type<number>(),
    redshift: p.double().$type<number>().nullable(),
    tnsPrefix: p.text().nullable(),
    tnsId: p.bigint('number').nullable(),
    spectroscopicClass: p.text().nullable(),
    photometricClass: p.text().nullable(),
    /** E(B−V), magnitudes. */
    milkywayDustReddening: p.double().$type<number>().nullable(),
  },
});
/** What a transient has beyond {@link SubjectRow}. */
export class TransientRow extends TransientSchema.class {}
TransientSchema.setClass(TransientRow);

const ScheduleSchema = defineEntity({
  name: 'Schedule',
  tableName: 'schedule',
  properties: {
    runner: p.text().primary(),
    /** A cron expression, or `every <n> s`. */
    pattern: p.text(),
    timeZone: p.text(),
    enabled: p.boolean(),
    editedBy: p.text().nullable(),
    editedAt: p.datetime().nullable(),
    slot: p.datetime().nullable(),
    nextAt: p.datetime().nullable(),
    ticks: p.bigint('number'),
  },
});
/** When a runner looks for work. */
export class ScheduleRow extends ScheduleSchema.class {}
ScheduleSchema.setClass(ScheduleRow);

const DaemonSchema = defineEntity({
  name: 'Daemon',
  tableName: 'daemon',
  properties: {
    id: p.integer().primary(),
    host: p.text(),
    pid: p.integer(),
    version: p.text(),
    /** A worker claims and runs; a daemon also has the schedules and the system runners. */
    role: p.text().$type<'daemon' | 'worker'>(),
    labels: p.array(),
    concurrency: p.integer(),
    running: p.integer(),
    startedAt: p.datetime(),
    heartbeatAt: p.datetime(),
    stoppedAt: p.datetime().nullable(),
  },
});
/** A process that works on the register. */
export class DaemonRow extends DaemonSchema.class {}
DaemonSchema.setClass(DaemonRow);

export const coreEntities = [StatusRow, TaskRow, ResourceRow, SubjectRow, TransientRow, ScheduleRow, DaemonRow] as const;
