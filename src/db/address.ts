import type pg from 'pg';

/** Where a database is: a connection string, or the socket folder of the embedded server. */
export type DatabaseAddress = { url: string } | { host: string; port: number; user: string; database: string };

/** What a client of PostgreSQL needs to reach an address. MikroORM does not understand every connection string that pg does (a socket folder, for one), so pg is given it as it is. */
export function clientOptions(address: DatabaseAddress): pg.ClientConfig {
  return 'url' in address ? { connectionString: address.url } : address;
}
