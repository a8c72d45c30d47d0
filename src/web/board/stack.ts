import type { KeptError } from './entry.ts';

/** An error's stack with those of its causes, as one text; empty where there is none. */
export function stackOf(error: KeptError | null | undefined): string {
  if (error == null) return '';
  const own = error.stack ?? [error.name, error.message].filter(Boolean).join(': ');
  return error.cause === undefined ? own : `${own}\nCaused by: ${stackOf(error.cause)}`;
}
