import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { statusMermaid } from '../../src/status/diagram.ts';
import { createStatusMachine } from '../../src/status/machine.ts';
import { BUILT_IN, JOB_STATUSES, OMITTED, type Status } from '../../src/status/status.ts';
import { ROOT, runProgram } from '../program.ts';

const statuses: readonly Status[] = [
  ...BUILT_IN.map(({ message, type }) => ({ message, type })),
  { message: 'processed', type: 'success' },
  { message: 'failed', type: 'error' },
  { message: 'no host', type: 'error' },
  { message: 'needs a look', type: 'warning' },
];

describe('the diagram of the status machine', () => {
  it.each([{ starts: [] }, { starts: ['failed'] }, { starts: ['needs a look', 'processed'] }])('has every move of the machine and no other (starts: $starts)', ({ starts }) => {
    const machine = createStatusMachine(statuses, starts);
    const text = statusMermaid(machine);
    const boxes = new Map([...text.matchAll(/^ {2}state "(.*)" as (s\d+)$/gm)].map(([, names, id]) => [id, names!.split('<br>')]));
    const arrows = [...text.matchAll(/^ {2}(s\d+) --> (s\d+) : (.+)$/gm)].flatMap(([, from, to, causes]) =>
      boxes.get(from)!.flatMap((start) => boxes.get(to)!.flatMap((end) => causes!.split(', ').map((cause) => `${start} | ${cause} | ${end}`))),
    );
    expect(arrows.toSorted()).toEqual(machine.moves.map(({ from, cause, to }) => `${from} | ${cause} | ${to}`).toSorted());
    expect([...boxes.values()].flat().toSorted()).toEqual(statuses.map(({ message }) => message).toSorted());
  });

  it('puts statuses into one box only where they have the same type and the same moves', () => {
    const plain = statusMermaid(createStatusMachine(statuses));
    expect(plain).toContain('state "failed<br>no host" as');
    expect(plain).toContain('state "time limit exceeded" as');
    expect(statusMermaid(createStatusMachine(statuses, ['failed']))).toMatch(/state "failed" as .*\n.*state "no host" as/);
  });

  it('writes what Mermaid would read as its own as numbers', () => {
    const odd = ['"quoted" <b>', 'a#35;b', '`code` *star* _line_', '1. first', 'a.b', '- item', '☄'].map((message): Status => ({ message, type: 'error' }));
    const [, label] = /state "failed<br>no host<br>(.*)" as/.exec(statusMermaid(createStatusMachine([...statuses, ...odd])))!;
    expect(label!.split('<br>')).toEqual([
      '#34;quoted#34; #60;b#62;', 'a#35;35#59;b', '#96;code#96; #42;star#42; #95;line#95;', '1#46; first', 'a.b', '#45; item', '#9732;',
    ]);
  });
});

describe('docs/status-machine.md', async () => {
  const page = await readFile(path.join(ROOT, 'docs/status-machine.md'), 'utf8');

  it('has the diagram that the command draws from the shipped fixtures and runners', async () => {
    const { code, stdout, stderr } = await runProgram(['graph', '--statuses']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [, block] = /```mermaid\n(.*?)```/s.exec(page)!;
    expect(block, 'put what `npx afterglow graph --statuses` prints into the page').toBe(stdout.replace(/\n+$/, '\n'));
  });

  it('explains every cause', () => {
    const ofJobs = JOB_STATUSES.filter(({ message }) => message !== 'failed');
    const causes = new Set(createStatusMachine([...statuses, ...ofJobs, { message: OMITTED, type: 'success' }]).moves.map(({ cause }) => cause));
    const explained = [...page.matchAll(/^\| \*\*(.+?)\*\* \| .{40,} \|$/gm)].map(([, cause]) => cause);
    expect(explained).toHaveLength(causes.size);
    expect(new Set(explained)).toEqual(causes);
  });
});
