// A process that holds the embedded server of a data folder: `node client.ts <data folder>`. It says on standard output, one line of
// JSON each, that it has the server, that it cannot have it, or that it lost it; when its standard input ends it releases and ends.
import { AfterglowError } from '../../../src/errors.ts';
import { launchPostgres } from '../../../src/db/postgres/launch.ts';

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

try {
  const server = await launchPostgres({ dataDir: process.argv[2]!, log: (line) => process.stderr.write(`${line}\n`) });
  server.onLost((error) => say({ lost: error.message }));
  say({ server });
  process.stdin.resume().once('end', () => void server.release().then(() => process.exit(0)));
} catch (error) {
  if (!(error instanceof AfterglowError)) throw error;
  say({ error: error.message, code: error.code });
  process.exitCode = error.exitCode;
}
