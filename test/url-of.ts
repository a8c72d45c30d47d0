import type { DatabaseAddress } from '../src/db/database.ts';

/** What a process needs in DATABASE_URL to open the address. */
export function urlOf(address: DatabaseAddress): string {
  if ('url' in address) return address.url;
  return `postgresql://${address.user}@/${address.database}?host=${encodeURIComponent(address.host)}&port=${address.port}`;
}
