import { INITIAL, PROCESSING, type Status } from '../../status/status.ts';
import type { BoardTask, Catalogue } from './catalogue.ts';

/** The states that the board knows jobs in, as far as entries have them. */
export const STATES = ['active', 'waiting', 'waiting-children', 'delayed', 'completed', 'failed'] as const;
export type JobStateName = (typeof STATES)[number];

/** Of an entry, what its state on the board depends on. */
export interface EntryStanding {
  statusId: number;
  /** Whether its prerequisites are met and nobody holds it. */
  ready: boolean;
  /** Whether it waits for a point in time. */
  due: boolean;
}

/**
 * What a status is on the board. Waiting is one word here and three there: for prerequisites, for a point in time, or for a free
 * place, which only the entry can tell.
 */
export type StatusState = 'active' | 'open' | 'completed' | 'failed' | 'untouched';

/** @param status the status with this id; undefined for one that is gone */
export function statusState(task: Pick<BoardTask, 'claimFromId'>, statusId: number, status: Status | undefined): StatusState {
  if (status?.message === PROCESSING) return 'active';
  if (statusId === task.claimFromId) return 'open';
  if (status?.type === 'success') return 'completed';
  // A task that is claimed from another status leaves its untouched entries to somebody else.
  if (status?.message === INITIAL) return 'untouched';
  return 'failed';
}

/** The state that the board shows an entry in. */
export function stateOf(task: Pick<BoardTask, 'claimFromId'>, entry: EntryStanding, statuses: Catalogue['statuses']): JobStateName {
  const state = statusState(task, entry.statusId, statuses.get(entry.statusId));
  if (state === 'untouched') return 'waiting-children';
  if (state !== 'open') return state;
  if (!entry.ready) return 'waiting-children';
  return entry.due ? 'delayed' : 'waiting';
}
