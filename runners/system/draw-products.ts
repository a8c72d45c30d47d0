import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SystemTaskRunner, type RunContext } from '../../src/index.ts';
import { hubbleDiagram, type HubblePoint } from '../plots/hubble-diagram.ts';
import { skyMap, type SkyMark } from '../plots/sky-map.ts';

// Only the fixtures of the example bring light-curve fits.
const SOURCE = 'Jones et al. 2018, ApJ 867, 108';

/** Draws the Hubble diagram and the sky map into the products folder, where the pages show them. */
export class DrawProducts extends SystemTaskRunner {
  readonly taskName = 'Draw products';
  readonly schedule = '*/10 * * * *';
  override readonly runsWhenIdle = true;

  async runProcess({ em, productsFolder }: RunContext) {
    const points = await em.execute<HubblePoint[]>(
      `select s.name, t.redshift, d.mu_mag as "muMag", d.mu_err_mag as "muErrMag"
         from distance d join transient t on t.subject_id = d.transient_id join subject s on s.id = d.transient_id
        order by s.name`,
    );
    const marks = await em.execute<SkyMark[]>(
      `select s.name, t.ra_deg as "raDeg", t.dec_deg as "decDeg", v.state
         from subject_state v join transient t on t.subject_id = v.subject_id join subject s on s.id = v.subject_id
        order by s.name`,
    );
    const drawn = [
      await replace(path.join(productsFolder, 'hubble-diagram.svg'), hubbleDiagram(points, { source: SOURCE })),
      await replace(path.join(productsFolder, 'sky-map.svg'), skyMap(marks)),
    ];
    return { drawn: drawn.filter(Boolean).length };
  }
}

/** Writes a file in one step, so that nobody reads half of it; not at all if it is as it should be. @returns whether it was written */
async function replace(file: string, content: string): Promise<boolean> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === content) return false;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
  return true;
}
