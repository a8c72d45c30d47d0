/** PostgreSQL ended the transaction as the victim of a deadlock. */
export const isDeadlock = (error: unknown): boolean => error instanceof Error && (error as { code?: unknown }).code === '40P01';

/** Does a statement again that PostgreSQL chose as the victim of a deadlock; at most three times. */
export async function retryDeadlock<T>(act: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (!isDeadlock(error) || attempt === 3) throw error;
    }
  }
}
