import { AfterglowError, DuplicateRequestError, RefusedError, RequestProblemsError, UnknownNameError } from '../../errors.ts';
import { jsonReply, type Reply } from '../route.ts';

/** The HTTP status of an error that says what was wrong with a call; undefined for any other, which is a defect. */
export function statusOf(error: unknown): 400 | 404 | 409 | undefined {
  if (error instanceof RequestProblemsError) return 400;
  if (error instanceof UnknownNameError) return 404;
  if (error instanceof DuplicateRequestError || error instanceof RefusedError) return 409;
  return undefined;
}

/** An error as JSON: `{"error": {"code", "message", …}}`. */
export function errorReply(status: 400 | 401 | 403 | 404 | 409 | 413 | 415, code: string, message: string, more: object = {}): Reply {
  return jsonReply({ error: { code, message, ...more } }, status);
}

/** @throws whatever says nothing to the caller */
export function refusal(error: unknown): Reply {
  const status = statusOf(error);
  if (status === undefined || !(error instanceof AfterglowError)) throw error;
  if (error instanceof RequestProblemsError) return errorReply(status, error.code, error.message, { problems: error.problems });
  if (error instanceof DuplicateRequestError) return errorReply(status, error.code, error.message, { request: error.request });
  return errorReply(status, error.code, error.message);
}
