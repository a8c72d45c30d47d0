// A process that runs one script again and again, and waits to be killed: `node parent.ts <script> <folders>`. It says what the script prints.
import { runScript } from '../../src/scripts/run-script.ts';

const [, , script = '', folders = ''] = process.argv;
for (;;) {
  const { ended } = await runScript({ script, folders, set: { MINE: folders }, onLine: (line) => process.stdout.write(`${line}\n`) });
  if ('failed' in ended) throw ended.failed;
}
