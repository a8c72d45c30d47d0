import { Migration } from '@mikro-orm/migrations';

/** People name objects without their kind: to be found among millions, a name needs an index of its own. */
export class Migration0006SubjectName extends Migration {
  override up(): void {
    this.addSql(`create index subject_name on subject (name)`);
  }
}
