// Class 08: connection exceptions; 57P01-03: shut down, crashed, not yet up; 53300: too many connections; 57014: over its statement_timeout.
const SQL_STATES = new Set(['57P01', '57P02', '57P03', '53300', '57014']);
const SYSTEM_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

/** Whether an error says that the database is away, rather than that the statement is wrong. */
export function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = String((error as { code?: unknown }).code ?? '');
  if (code.startsWith('08') || SQL_STATES.has(code) || SYSTEM_CODES.has(code)) return true;
  if (/Connection terminated|Query read timeout|timeout exceeded when trying to connect|Client (has encountered a connection error|was closed) and is not queryable/i.test(error.message)) return true;
  return isConnectionError(error.cause);
}
