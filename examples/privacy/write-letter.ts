import { RequestTaskRunner, type Request, type RunContext } from '../../src/index.ts';
import { writeForRequest } from './export-rows.ts';

/** The letters, by type of request and by whether anything was found. `{…}` is filled in. */
const LETTERS: Readonly<Record<string, { found: string; nothing: string }>> = {
  delete: {
    found: 'On {date} you asked us to delete what we keep about you. That is done:\n\n{list}\n\nNothing else about you is kept, but for this correspondence.',
    nothing: 'On {date} you asked us to delete what we keep about you. We looked, and found nothing:\n\n{list}',
  },
  export: {
    found: 'On {date} you asked us for what we keep about you. It is in the files that come with this letter:\n\n{list}',
    nothing: 'On {date} you asked us for what we keep about you. We looked, and found nothing:\n\n{list}',
  },
};

/** Writes the letter that tells the person that all is done: after every other task of the request. */
export class WriteLetter extends RequestTaskRunner {
  readonly taskName = 'Write letter';
  readonly requestTypes = ['delete', 'export'];
  override readonly closes = true;
  override readonly returns = ['processed'];
  readonly #tasks: readonly string[];

  /** @param tasks names of those that the letter tells of */
  constructor(tasks: readonly string[]) {
    super();
    this.#tasks = tasks;
  }

  async runProcess(request: Request, { productsFolder, result }: RunContext) {
    const results = await Promise.all(this.#tasks.map(async (task) => (await result(task)) as { message: string; before?: number; rows?: number } | undefined));
    const done = results.filter((one) => one !== undefined);
    const isFound = done.some(({ before = 0, rows = 0 }) => before + rows > 0);
    const { found, nothing } = LETTERS[request.type]!;
    const body = (isFound ? found : nothing)
      .replace('{date}', request.requestedAt.toISOString().slice(0, 10))
      .replace('{list}', done.map(({ message }) => `  - ${message}`).join('\n') || '  - There was nothing to do.');
    await writeForRequest(productsFolder, request, 'letter.txt', `To ${request.email}\nYour request ${request.name}\n\nDear reader,\n\n${body}\n\nYours, the newspaper\n`);
    return { status: 'processed', result: { message: `The letter to ${request.email} is in letter.txt.` } };
  }
}
