import { Migration } from '@mikro-orm/migrations';

/**
 * Two data stores of a small newspaper: who has an account there, and who reads what. Here they are tables beside the register; they
 * may as well be databases elsewhere.
 */
export interface Store {
  /** For people. */
  name: string;
  /** What the rows of one person are found by; undefined: the e-mail address. */
  identifier?: string;
  /** Parameters: the identifier's value. */
  find: string;
  count: string;
  delete: string;
  /** What looking at one row costs, in the unit of the accounts. */
  costPerRow: number;
}

export const ACCOUNTS: Store = {
  name: 'accounts',
  find: `select email, full_name, city, since from privacy_account where lower(email) = lower(?)`,
  count: `select count(*)::integer as rows from privacy_account where lower(email) = lower(?)`,
  delete: `delete from privacy_account where lower(email) = lower(?)`,
  costPerRow: 0.5,
};

export const READING_LOG: Store = {
  name: 'reading log',
  identifier: 'reader',
  find: `select article, at from privacy_reading where reader = ? order by at`,
  count: `select count(*)::integer as rows from privacy_reading where reader = ?`,
  delete: `delete from privacy_reading where reader = ?`,
  costPerRow: 0.01,
};

class Migration0001Stores extends Migration {
  override up(): void {
    this.addSql(`
create table privacy_account (
  id integer primary key generated always as identity,
  email text not null,
  full_name text not null,
  city text not null,
  since date not null
);
create index privacy_account_email on privacy_account (lower(email));
create table privacy_reading (
  reader text not null,
  article text not null,
  at timestamptz not null
);
create index privacy_reading_reader on privacy_reading (reader);`);
  }
}

export const migrations = [{ name: 'privacy-0001-stores', class: Migration0001Stores }] as const;
