/** An answer that is kept for a while. */
export interface Kept<T> {
  /** The answer; whoever asks at the same time shares one question. An error is not kept. */
  (): Promise<T>;
  /** The next caller asks anew, because somebody has just changed what was asked for. */
  forget(): void;
}

/**
 * Keeps what a question to the database answered, so that any number of open pages cost as much as one.
 *
 * An answer is kept for `leastMs`, and for twenty times as long as it took where that is more: pages that poll then take
 * at most a twentieth of one connection, however big the register is.
 */
export function keep<T>(ask: () => Promise<T>, leastMs = 2000): Kept<T> {
  let answer: Promise<T> | undefined;
  let until = 0;
  const kept = () => {
    if (answer !== undefined && performance.now() < until) return answer;
    const started = performance.now();
    const asked = ask();
    answer = asked;
    until = Infinity;
    asked.then(
      () => {
        const now = performance.now();
        if (answer === asked) until = now + Math.max(leastMs, 20 * (now - started));
      },
      () => {
        if (answer === asked) answer = undefined;
      },
    );
    return asked;
  };
  kept.forget = () => {
    answer = undefined;
  };
  return kept;
}
