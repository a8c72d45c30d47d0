import { setTimeout as delay } from 'node:timers/promises';
import { AuditError, auditRegister, SystemTaskRunner, type RunContext } from '../../src/index.ts';

/** How long an entry may be on its way between two looks, milliseconds. */
const SETTLE_MS = 15_000;

/** Proves every night that what the register relies on is so. A rule that is broken fails this run, which the pages show. */
export class AuditRegister extends SystemTaskRunner {
  readonly taskName = 'Audit register';
  readonly schedule = '15 3 * * *';

  async runProcess({ em, log, signal }: RunContext) {
    const audit = await auditRegister(em, () => delay(SETTLE_MS, undefined, { signal }));
    for (const { rule, count, examples } of audit.findings) log.warn(`${rule} Broken by ${count}.`, { examples });
    if (audit.findings.length > 0) throw new AuditError(audit.findings);
    return { entries: audit.entries, rules: audit.rules };
  }
}
