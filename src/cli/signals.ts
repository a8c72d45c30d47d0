/** npm passes Ctrl-C on although the terminal has sent it already; a repeat within this time is that, not a person. */
const REPEAT_MS = 1000;

/**
 * Stopping gracefully: the first SIGINT, SIGTERM or SIGHUP asks, a second at least a second later insists.
 */
export function onSignals(on: { first: () => void; second: () => void }): { stopped: Promise<void>; readonly received: boolean; dispose(): void } {
  let receivedAt: number | undefined;
  let resolve: () => void;
  const stopped = new Promise<void>((settle) => {
    resolve = settle;
  });
  const handle = (): void => {
    if (receivedAt === undefined) {
      receivedAt = performance.now();
      on.first();
      resolve();
    } else if (performance.now() - receivedAt >= REPEAT_MS) on.second();
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, handle);
  return {
    stopped,
    get received() {
      return receivedAt !== undefined;
    },
    dispose() {
      for (const name of names) process.off(name, handle);
    },
  };
}
