import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export type { Logger };

/** How log lines look: for people, for machines, or not at all. */
export type LogFormat = 'plain' | 'json' | 'silent';

/**
 * A logger that writes to standard error, so that standard output stays free for what a command was asked for.
 * Passwords in connection strings and fields named like secrets are replaced by `[redacted]`.
 */
export function createLog(format: LogFormat, level = 'info'): Logger {
  const options = {
    level: format === 'silent' ? 'silent' : level,
    base: null,
    redact: { paths: ['password', '*.password', 'token', '*.token', 'secret', '*.secret', 'authorization', '*.authorization'], censor: '[redacted]' },
    serializers: { err: pino.stdSerializers.err },
  };
  if (format === 'json') return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
  return pino(options, pretty({ destination: overProgressBar(), sync: true, colorize: isatty(2), translateTime: 'SYS:HH:MM:ss', ignore: 'pid,hostname', singleLine: true }));
}

// On a terminal a line first wipes the progress bar away, which is drawn again below it. Written past process.stderr, which in
// a worker thread goes through the main loop.
function overProgressBar(): number | Writable {
  if (!isatty(2)) return 2;
  const terminal = pino.destination({ fd: 2, sync: true });
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      terminal.write(`\r\x1b[2K${chunk.toString()}`);
      done();
    },
  });
}

/** A connection string with its password hidden, for logs and messages. */
export function withoutPassword(url: string): string {
  return url.replace(/(\/\/[^:/@]*):[^@]*@/, '$1:***@');
}
