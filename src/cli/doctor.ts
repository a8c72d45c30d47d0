import { setTimeout as delay } from 'node:timers/promises';
import { auditRegister } from '../db/audit.ts';
import { command, withHome, type CommonOptions } from './common.ts';
import { plural, print, printJson } from './output.ts';

/** `afterglow doctor`: the nightly audit, now. */
export const doctorCommand = () =>
  command('doctor', 'prove that the register is sound', 'Checks on the live database that the rules hold which everything relies on: counters, log, leases, attempts, holds, limits. Changes nothing. Exits with 1 if one is broken.')
    .option('--json', 'the audit as JSON: {"entries", "rules", "findings": [{"rule", "count", "examples"}]}')
    .action(async (options: CommonOptions & { json?: true }) => {
      const audit = await withHome(options, ({ database }) => auditRegister(database.em(), () => delay(SETTLE_MS)));
      if (options.json) printJson(audit);
      else {
        for (const { rule, count, examples } of audit.findings) {
          print(`Broken by ${count}: ${rule}`);
          for (const example of examples) print(`  ${example}`);
        }
        print(`${plural(audit.entries, 'entry')}, ${plural(audit.rules, 'rule')}: ${audit.findings.length === 0 ? 'all hold.' : `${audit.findings.length} broken.`}`);
      }
      if (audit.findings.length > 0) process.exitCode = 1;
    });

/** Entries move while they are looked at, so what looks wrong is looked at twice. */
const SETTLE_MS = 3000;
