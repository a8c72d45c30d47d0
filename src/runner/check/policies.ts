import { finding } from './finding.ts';
import type { Finding } from './finding.ts';
import type { World } from './world.ts';

/** Qualifiers and policies of jobs that mean nothing, or can never let anything run. */
export function* policies({ declarations }: World): Generator<Finding> {
  for (const { label, taskName, policyProblems } of declarations) for (const problem of policyProblems) yield finding('policy-invalid', taskName, `${label}.${problem}`);
}
