import { RequestTaskRunner } from '../request.ts';
import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { isA, listFrom, read } from './reading.ts';
import { quote, show } from './words.ts';

const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/;

/**
 * Runners of requests that no request can ever be for, that need what no request can have, or that wait for a batch that there is not.
 *
 * @param runners the list of users' code, so it may be anything
 */
export function* requests(runners: unknown): Generator<Finding> {
  for (const runner of listFrom(runners) ?? []) {
    if (!isA(runner, RequestTaskRunner)) continue;
    const name = read(runner, 'taskName');
    const task = typeof name === 'string' ? name : undefined;
    const label = task === undefined ? 'A runner of requests' : `The runner of ${quote(task)}`;
    const types = listFrom(read(runner, 'requestTypes'));
    if (types === undefined || types.length === 0 || types.some((type) => typeof type !== 'string' || type.trim() === '' || type.length > 64)) {
      yield finding('request-types-invalid', task, `${label} should have requestTypes, a list of words such as ['delete'], but they are ${show(read(runner, 'requestTypes'))}: no request is ever for it.`);
    }
    const needed = listFrom(read(runner, 'needsIdentifiers'));
    const odd = needed?.find((one) => typeof one !== 'string' || !IDENTIFIER.test(one));
    if (needed === undefined || odd !== undefined) {
      yield finding(
        'request-identifiers-invalid', task,
        `${label} should have needsIdentifiers, a list of names of letters, digits and _ . : -, but ${needed === undefined ? 'they are' : 'one of them is'} ${show(needed === undefined ? read(runner, 'needsIdentifiers') : odd)}.`,
      );
    }
    const batch = read(runner, 'batch');
    if (batch !== undefined && batch !== 'weekly' && batch !== 'monthly') {
      yield finding('request-batch-invalid', task, `${label} should have the batch "weekly" or "monthly", or none, but it is ${show(batch)}.`);
    }
  }
}
