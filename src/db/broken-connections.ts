import type pg from 'pg';

/**
 * Has a pool take back connections that break while they are lent. A transaction whose connection broke can be neither
 * committed nor rolled back, so its connection would never be given back: the pool would be one smaller for ever, and
 * would wait for it when it is closed.
 */
export function takeBackBroken(pool: pg.Pool): void {
  const ears = new Map<pg.PoolClient, () => void>();
  pool.on('acquire', (client) => {
    // A turn later: a single statement gives its connection back by itself when it fails.
    const onEnd = () => setImmediate(() => {
      if (ears.get(client) !== onEnd) return;
      client.release(true);
      client.release = () => {};
    });
    ears.set(client, onEnd);
    client.once('end', onEnd);
  });
  pool.on('release', (_error, client) => {
    const onEnd = ears.get(client);
    if (onEnd !== undefined) client.off('end', onEnd);
    ears.delete(client);
  });
}
