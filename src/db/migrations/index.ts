import type { MigrationObject } from '@mikro-orm/postgresql';
import { Migration0001Register } from './0001-register.ts';

/** Our schema, oldest first. A migration that has been released is never changed. */
export const coreMigrations: readonly MigrationObject[] = [{ name: 'afterglow-0001-register', class: Migration0001Register }];
