import type pg from 'pg';
import type { DatabaseAddress } from './database.ts';

/** What a client of PostgreSQL needs to reach an address. MikroORM does not understand every connection string that pg does (a socket folder, for one), so pg is given it as it is. */
export function clientOptions(address: DatabaseAddress): pg.ClientConfig {
  return 'url' in address ? { connectionString: address.url } : address;
}
