import { expect, test } from 'vitest';
import { archiveCommand, restoreCommand } from '../../src/cli/archive.ts';
import { batchCommand } from '../../src/cli/batch.ts';
import { deleteCommand } from '../../src/cli/delete.ts';
import { editCommand } from '../../src/cli/edit.ts';
import { flagCommand } from '../../src/cli/flag.ts';
import { historyCommand } from '../../src/cli/history.ts';
import { resetCommand, retryCommand } from '../../src/cli/reset.ts';

test.each([retryCommand, resetCommand, editCommand, flagCommand, archiveCommand, restoreCommand, deleteCommand, batchCommand, historyCommand])(
  'the help of a command for objects says what it does, has examples of it, and --json (%o)', (make) => {
    let help = '';
    const command = make().configureOutput({ writeOut: (text) => void (help += text) });
    command.outputHelp();
    expect(help).toContain(`Usage: ${command.name()}`);
    expect(help).toContain(`\nExamples:\n  afterglow ${command.name()} `);
    expect(help).toMatch(/--json {2,}\S/);
    expect(command.description().length).toBeGreaterThan(100);
  });
