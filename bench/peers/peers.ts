import { bullmq } from './bullmq.ts';
import { graphileWorker, graphileWorkerBatching } from './graphile-worker.ts';
import type { Peer } from './peer.ts';
import { pgBoss } from './pg-boss.ts';
import type { RedisServer } from './redis-server.ts';

const PEERS: readonly Peer[] = [pgBoss, graphileWorker, graphileWorkerBatching, bullmq];

/** The peers that can run here. */
export function availablePeers(hasRedis: boolean): readonly Peer[] {
  return PEERS.filter(({ needsRedis }) => !needsRedis || hasRedis);
}

/** How each was set up, a list in Markdown; those that are left out say so. */
export function describePeers(redis: RedisServer | undefined): string {
  return PEERS.map((peer) => {
    if (peer.needsRedis && redis === undefined) return `- **${peer.name}** (${peer.version}): left out, as this machine has no redis-server.`;
    return `- **${peer.name}** (${peer.version}${peer.needsRedis ? `, Redis ${redis!.version}` : ''}): ${peer.setUp}.`;
  }).join('\n');
}
