import type { MigrationObject } from '@mikro-orm/postgresql';
import { Migration0001Register } from './0001-register.ts';
import { Migration0002Reliability } from './0002-reliability.ts';
import { Migration0003MissedSlots } from './0003-missed-slots.ts';
import { Migration0004Dispatch } from './0004-dispatch.ts';
import { Migration0005DaemonTroubles } from './0005-daemon-troubles.ts';
import { Migration0006SubjectName } from './0006-subject-name.ts';
import { Migration0007Jobs } from './0007-jobs.ts';
import { Migration0008JobKeys } from './0008-job-keys.ts';
import { Migration0009JobFlows } from './0009-job-flows.ts';
import { Migration0011Runs } from './0011-runs.ts';
import { Migration0012Requests } from './0012-requests.ts';
import { Migration0013Objects } from './0013-objects.ts';
import { Migration0014Alternatives } from './0014-alternatives.ts';
import { Migration0015FewerWrites } from './0015-fewer-writes.ts';

/** Our schema, oldest first. A migration that has been released is never changed. */
export const coreMigrations: readonly MigrationObject[] = [
  { name: 'afterglow-0001-register', class: Migration0001Register },
  { name: 'afterglow-0002-reliability', class: Migration0002Reliability },
  { name: 'afterglow-0003-missed-slots', class: Migration0003MissedSlots },
  { name: 'afterglow-0004-dispatch', class: Migration0004Dispatch },
  { name: 'afterglow-0005-daemon-troubles', class: Migration0005DaemonTroubles },
  { name: 'afterglow-0006-subject-name', class: Migration0006SubjectName },
  { name: 'afterglow-0007-jobs', class: Migration0007Jobs },
  { name: 'afterglow-0008-job-keys', class: Migration0008JobKeys },
  { name: 'afterglow-0009-job-flows', class: Migration0009JobFlows },
  { name: 'afterglow-0011-runs', class: Migration0011Runs },
  { name: 'afterglow-0012-requests', class: Migration0012Requests },
  { name: 'afterglow-0013-objects', class: Migration0013Objects },
  { name: 'afterglow-0014-alternatives', class: Migration0014Alternatives },
  { name: 'afterglow-0015-fewer-writes', class: Migration0015FewerWrites },
];
