/** The longest that a schedule waits for an answer of the database, seconds; then it asks again, by another connection. */
export const CALL_SECONDS = 5;

/**
 * What a promise comes to, if it comes in time. What it does meanwhile is not stopped.
 *
 * @throws {Error} with the code ETIMEDOUT, when it has not settled after so many seconds
 */
export async function within<T>(seconds: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`The database did not answer within ${seconds} s.`), { code: 'ETIMEDOUT' })), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
