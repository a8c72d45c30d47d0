// Appendix A of PostgreSQL's manual. 08: connection exceptions; 53: no room on disk, no memory, too many connections; 58: the server's
// system fails, input and output for one. 57P01 to 05: shut down, crashed, not yet up, its database is gone, idle for too long; 57014:
// over its statement_timeout; 25P03: idle in a transaction for too long; 25006: the server takes no writes, as after a failover, or
// where a provider protects a disk that is full.
const CLASSES = ['08', '53', '58'];
const SQL_STATES = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '57014', '25P03', '25006']);
const SYSTEM_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Whether an error says that the database is away, or can take nothing for now, rather than that the statement is wrong. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = String((error as { code?: unknown }).code ?? '');
  if ((/^[0-9A-Z]{5}$/.test(code) && CLASSES.includes(code.slice(0, 2))) || SQL_STATES.has(code) || SYSTEM_CODES.has(code)) return true;
  if (/Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client (has encountered a connection error|was closed) and is not queryable/i.test(error.message)) return true;
  return isConnectionError(error.cause);
}
