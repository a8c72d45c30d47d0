import { SystemTaskRunner, type RunContext } from '../../src/index.ts';
import { readGalaxyCatalogue } from '../science/galaxy-catalogue.ts';
import { Galaxy } from '../tables/entities.ts';

/** Loads the galaxies that hosts are looked for among, if they are not there yet. */
export class LoadGalaxyCatalogue extends SystemTaskRunner {
  readonly taskName = 'Load galaxy catalogue';
  readonly schedule = '17 3 * * *';
  override readonly runsAtStart = true;

  async runProcess({ em, log }: RunContext) {
    const loaded = await em.count(Galaxy);
    if (loaded > 0) return { loaded };
    const galaxies = await readGalaxyCatalogue();
    await em.execute(
      `insert into galaxy (name, ra_deg, dec_deg, magnitude, major_axis_arcmin, minor_axis_arcmin, type)
       select "name", "raDeg", "decDeg", "magnitude", "majorAxisArcmin", "minorAxisArcmin", "type"
         from jsonb_to_recordset(?::jsonb) as g("name" text, "raDeg" double precision, "decDeg" double precision, "magnitude" double precision,
                                                "majorAxisArcmin" double precision, "minorAxisArcmin" double precision, "type" text)`,
      [JSON.stringify(galaxies)],
    );
    log.info(`${galaxies.length} galaxies loaded`);
    return { loaded: galaxies.length };
  }
}
