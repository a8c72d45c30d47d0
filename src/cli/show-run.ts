import pino from 'pino';
import type { Logger } from '../log.ts';
import type { RunView, TaskView } from '../runs/run-view.ts';
import { Screen } from '../runs/screen.ts';
import { oneLine, tree } from '../runs/tree.ts';
import { span, STATE_WORDS } from '../runs/words.ts';
import { plural } from './output.ts';

/** How often the tree is drawn anew at most, and at least, ms. */
const [SOON_MS, TICK_MS] = [80, 1000];

/** Shows a run while it goes on. */
export interface RunShow {
  /** Log lines that do not disturb what is shown. */
  readonly log: Logger | undefined;
  follow(view: RunView): void;
  /** Text that stays. */
  say(text: string): void;
  end(): void;
}

/** The live tree, on a terminal. */
export function showTree(terminal: NodeJS.WriteStream): RunShow {
  const screen = new Screen(terminal, terminal.hasColors() && process.env.NO_COLOR === undefined);
  let view: RunView | undefined;
  let soon: NodeJS.Timeout | undefined;
  let tick: NodeJS.Timeout | undefined;
  const draw = (): void => {
    clearTimeout(soon);
    soon = undefined;
    if (view !== undefined) screen.draw(tree(view, new Date()));
  };
  const say = (text: string): void => {
    screen.above(text);
    draw();
  };
  return {
    log: pino({ level: 'error', base: null, timestamp: false }, { write: (line: string) => say(lineOf(line)) }),
    follow(followed) {
      view = followed;
      view.onChange(() => (soon ??= setTimeout(draw, SOON_MS)));
      tick = setInterval(draw, TICK_MS);
      terminal.on('resize', draw);
      draw();
    },
    say,
    end() {
      clearInterval(tick);
      terminal.off('resize', draw);
      draw();
      view = undefined;
      screen.end();
    },
  };
}

function lineOf(json: string): string {
  const { msg, err } = JSON.parse(json) as { msg: string; err?: { message: string } };
  return err === undefined ? msg : `${msg}: ${err.message}`;
}

/** One line for whatever happens to a script, where there is no terminal. */
export function showLines(write: (text: string) => void): RunShow {
  return {
    log: undefined,
    follow(view) {
      write(`${view.run.name} ${view.run.number}: ${plural(view.tasks.length, 'script')} of ${plural(view.run.plan.jobs.length, 'job')}\n`);
      view.onChange((one, before) => {
        if (one.state !== before || (one.state === 'waiting' && one.reason !== undefined && one.seconds !== undefined)) write(`${eventLine(one)}\n`);
      });
    },
    say: (text) => write(`${text}\n`),
    end() {},
  };
}

function eventLine({ task, state, seconds, reason, warning, stderr }: TaskView): string {
  const time = seconds === undefined || state === 'running' || state === 'skipped' ? '' : ` (${span(seconds)})`;
  const errors = state === 'failed' ? stderr.trimEnd().split('\n').slice(-5).map(oneLine).filter((line) => line !== '').map((line) => `\n             | ${line}`).join('') : '';
  return `${STATE_WORDS[state].padEnd(10)} ${task.script}${time}${reason === undefined ? '' : `: ${oneLine(reason)}`}${warning === undefined ? '' : `, with a warning: ${oneLine(warning)}`}${errors}`;
}
