import { TransientTaskRunner, type Json, type RunContext, type Transient } from '../src/index.ts';
import { chooseHost, lightRadiusArcsec, SEARCH_RADIUS_ARCMIN } from './science/host-match.ts';
import { boxAround, separationArcsec } from './science/sky.ts';
import { Galaxy, Host } from './tables/entities.ts';

/** Finds the galaxy that a transient went off in: the nearest in units of the galaxies' light radii. */
export class HostMatch extends TransientTaskRunner {
  readonly taskName = 'Host match';
  readonly schedule = '* * * * *';
  readonly prerequisites = { 'Transient information': 'processed' };
  readonly failedStatusMessage = 'failed';
  override readonly reads = ['position'] as const;
  override readonly returns = ['processed', 'no host', 'no host match'] as const;

  async runProcess(transient: Transient, { em, log }: RunContext) {
    const box = boxAround(transient, SEARCH_RADIUS_ARCMIN);
    const candidates = await em.find(Galaxy, {
      decDeg: { $gte: box.decDeg[0], $lte: box.decDeg[1] },
      $or: box.raDeg.map(([from, to]) => ({ raDeg: { $gte: from, $lte: to } })),
    });
    if (candidates.length === 0 && (await em.count(Galaxy)) === 0) throw new Error('The galaxy catalogue is not loaded.');
    const match = chooseHost(transient, candidates);
    if (match === undefined) {
      await em.nativeDelete(Host, { transientId: transient.id });
      const near = candidates.filter((galaxy) => separationArcsec(transient, galaxy) <= SEARCH_RADIUS_ARCMIN * 60).length;
      if (near === 0) return 'no host';
      log.info(`${near} galaxies within ${SEARCH_RADIUS_ARCMIN} arcmin, none near enough in units of its light radius`);
      return 'no host match';
    }
    const { galaxy, ...distance } = match;
    await em.upsert(Host, { transientId: transient.id, galaxyId: galaxy.id, ...distance });
    return { status: 'processed', result: { name: galaxy.name, ...distance } };
  }

  /** `{ name }` of a galaxy of the catalogue, however far away; null takes the host away. */
  override async takeResult(transient: Transient, result: Json, { em }: Pick<RunContext, 'em'>): Promise<Json> {
    await em.nativeDelete(Host, { transientId: transient.id });
    if (result === null) return null;
    const name = (result as { name?: unknown }).name;
    if (typeof name !== 'string') throw new TypeError('it should be {"name": "…"}, with the name of a galaxy of the catalogue, or null for no host.');
    const galaxy = await em.findOne(Galaxy, { name });
    if (galaxy === null) throw new TypeError(`the catalogue has no galaxy "${name}".`);
    const separation = separationArcsec(transient, galaxy);
    const distance = { separationArcsec: separation, dlr: separation / lightRadiusArcsec(galaxy) };
    await em.upsert(Host, { transientId: transient.id, galaxyId: galaxy.id, ...distance });
    return { name, ...distance };
  }
}
