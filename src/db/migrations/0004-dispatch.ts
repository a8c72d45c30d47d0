import { Migration } from '@mikro-orm/migrations';

/**
 * For engines that carry entries elsewhere: `dispatched_at` says since when an entry lies in a queue outside. It is no claim
 * and costs no attempt: its status stays, and `due_at` lets it be dispatched again should it be lost. `installation` tells
 * databases apart that share one Redis.
 */
export class Migration0004Dispatch extends Migration {
  override up(): void {
    this.addSql(`alter table task_register add column dispatched_at timestamptz`);
    this.addSql(`create table installation (id uuid primary key default gen_random_uuid())`);
    this.addSql(`insert into installation default values`);
  }
}
