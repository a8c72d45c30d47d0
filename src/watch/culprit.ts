import { Session, type Debugger } from 'node:inspector';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { WHO_RUNS, type Running } from '../engine/running.ts';

/** What the main loop was found doing. */
export interface Culprit extends Partial<Running> {
  /** The innermost place in code that is neither Node's nor a library's, `function (file:line)`. */
  place: string | undefined;
  /** The innermost places of all, inwards first. */
  stack: readonly string[];
}

/** Lines of the stack that are kept. */
const MOST_FRAMES = 12;

/**
 * Stops the main thread for some milliseconds with the debugger, looks where it is and whose code it runs, and lets it go on.
 * To be called from a worker thread. Should this thread die while the other one is stopped, Node lets it go on.
 *
 * @returns what was found, as soon as the main thread runs JavaScript: in the middle of a loop at once, after a call into
 *   native code (a synchronous read, a child process that is waited for) when that returns; undefined where nobody may look
 */
export function findCulprit(): Promise<Culprit | undefined> {
  return new Promise((resolve) => {
    const session = new Session();
    const files = new Map<string, string>();
    let found: Culprit | undefined;
    const end = (): void => {
      session.disconnect();
      resolve(found);
    };
    try {
      session.connectToMainThread();
    } catch {
      return resolve(undefined);
    }
    // The frames of a stack name their scripts by number.
    session.on('Debugger.scriptParsed', ({ params: { scriptId, url } }) => void files.set(scriptId, url));
    session.on('Debugger.paused', ({ params: { callFrames } }) => {
      if (found === undefined) {
        const stack = callFrames.map((frame) => toPlace(frame, files));
        const kept = stack.slice(0, MOST_FRAMES).map(({ text }) => text);
        found = { place: stack.find(({ isOurs }) => isOurs)?.text, stack: kept };
        // Not in the frame itself, where names may mean something else: Node's own modules have another Symbol.
        session.post('Runtime.evaluate', { expression: WHO_RUNS, returnByValue: true, silent: true }, (_error, answer) => {
          const value = (answer as { result?: { value?: unknown } } | undefined)?.result?.value;
          if (typeof value === 'string') found = { ...found!, ...(JSON.parse(value) as Running) };
        });
      }
      session.post('Debugger.resume');
      session.post('Debugger.disable', end);
    });
    session.post('Debugger.enable', (error) => {
      if (error !== null) end();
    });
    session.post('Debugger.pause');
  });
}

/** Whose code it is and where, in words. */
export function describeCulprit({ task, subject, place, stack }: Culprit): string {
  const whose = task === undefined ? undefined : subject === undefined ? `"${task}"` : `"${task}" of ${subject}`;
  return [whose, place ?? stack[0]].filter((part) => part !== undefined).join(' in ');
}

function toPlace({ functionName, location }: Debugger.CallFrame, files: ReadonlyMap<string, string>): { text: string; isOurs: boolean } {
  const url = files.get(location.scriptId) ?? '';
  const file = url.startsWith('file:') ? shorter(fileURLToPath(url)) : url;
  return {
    text: `${functionName === '' ? '(anonymous)' : functionName} (${file === '' ? 'somewhere' : file}:${location.lineNumber + 1})`,
    isOurs: url.startsWith('file:') && !url.includes('/node_modules/'),
  };
}

function shorter(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith('..') ? file : relative;
}
