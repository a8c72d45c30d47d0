import { isCertainlyDead, type ProcessIdentity } from '../daemon/process-identity.ts';
import { IS_ALIVE } from '../db/daemons.ts';

/** Who works, or worked, on a run. */
export interface WorkingProcess {
  process: ProcessIdentity;
  /** By its heartbeat; null where it has said nothing yet. */
  alive: boolean | null;
}

/** Columns of {@link WorkingProcess}, of a run `u` with its daemon `d`. */
export const WORKING_PROCESS = `u.process, case when d.id is null then null else ${IS_ALIVE} end as alive`;

/** Whether nobody works on the run any more: its process is gone, or has been silent for too long. */
export const isLost = ({ process, alive }: WorkingProcess): boolean => alive === false || isCertainlyDead(process);
