import { Migration } from '@mikro-orm/migrations';

/** Why a daemon is not well, written with every beat: one whose main loop stands still can be asked nothing, but its heart beats on. */
export class Migration0005DaemonTroubles extends Migration {
  override up(): void {
    this.addSql(`alter table daemon add column troubles text[] not null default '{}'`);
  }
}
