/**
 * Runs commands of ours one after the other in this one process: many processes would take many times as long. The commands come as JSON, lists of
 * words; what they printed and how they ended goes to standard output as JSON.
 */
import type { Command } from 'commander';

const FACTORIES: Readonly<Record<string, () => Promise<Command>>> = {
  retry: async () => (await import('../src/cli/reset.ts')).retryCommand(),
  reset: async () => (await import('../src/cli/reset.ts')).resetCommand(),
  edit: async () => (await import('../src/cli/edit.ts')).editCommand(),
  flag: async () => (await import('../src/cli/flag.ts')).flagCommand(),
  archive: async () => (await import('../src/cli/archive.ts')).archiveCommand(),
  restore: async () => (await import('../src/cli/archive.ts')).restoreCommand(),
  delete: async () => (await import('../src/cli/delete.ts')).deleteCommand(),
  batch: async () => (await import('../src/cli/batch.ts')).batchCommand(),
  history: async () => (await import('../src/cli/history.ts')).historyCommand(),
};

const ended: { error: string | null; exitCode: number; stdout: string }[] = [];
const write = process.stdout.write.bind(process.stdout);
for (const [name = '', ...words] of JSON.parse(process.argv[2] ?? '[]') as string[][]) {
  let stdout = '';
  process.stdout.write = ((text: string) => {
    stdout += text;
    return true;
  }) as typeof process.stdout.write;
  process.exitCode = 0;
  let error: string | null = null;
  try {
    await (await FACTORIES[name]!()).exitOverride().parseAsync(words, { from: 'user' });
  } catch (thrown) {
    error = String(thrown);
  }
  ended.push({ error, exitCode: Number(process.exitCode), stdout });
}
process.exitCode = 0;
process.stdout.write = write;
process.stdout.write(JSON.stringify(ended));
