import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ScriptOutput, type ResultBlock } from '../../src/scripts/script-output.ts';

const START = '== RESULT START ==\n';
const END = '== RESULT END ==\n';

interface Read {
  block: ResultBlock;
  progress: number[];
  noise: string;
}

/** Reads a text that comes in pieces of these sizes, again and again from the first. */
function read(text: string, sizes: readonly number[] = [1_000_000], resultBytes = 10_000): Read {
  const progress: number[] = [];
  const noise: Buffer[] = [];
  const output = new ScriptOutput({ resultBytes, onProgress: (fraction) => progress.push(fraction), onNoise: (bytes) => noise.push(Buffer.from(bytes)) });
  const bytes = Buffer.from(text);
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    const size = sizes[n % sizes.length]!;
    output.push(bytes.subarray(at, at + size));
    at += size;
  }
  const block = output.end();
  return { block, progress, noise: Buffer.concat(noise).toString() };
}

const text = (json: string): ResultBlock => ({ kind: 'text', text: json });

describe('the result of a script', () => {
  test('may go over several lines, with noise before and after it', () => {
    expect(read(`noise\n${START}{\n  "status":\n  "success"\n}\n${END}noise`).block).toEqual(text('{\n  "status":\n  "success"\n}\n'));
  });

  test('may begin behind noise that ends no line, and end without a line break', () => {
    expect(read(`1 2 3 … ${START}{"a":1}== RESULT END ==`).block).toEqual(text('{"a":1}'));
    expect(read(`x${START.trim()}\r\n{"a":1}\r\n== RESULT END == \t\r\n`).block).toEqual(text('{"a":1}\r\n'));
  });

  test('is the last one of several', () => {
    expect(read(`${START}1${END}${START}2${END}`).block).toEqual(text('2'));
    expect(read(`${START}1\n${START}2${END}`).block).toEqual(text('2'));
  });

  test('that is begun and not ended is unfinished, whatever came before', () => {
    expect(read(`${START}1${END}${START}2`).block).toEqual({ kind: 'unfinished' });
    expect(read('').block).toEqual({ kind: 'none' });
    expect(read(END).block).toEqual({ kind: 'none' });
  });

  test('may hold the words of its markers in a text', () => {
    const json = JSON.stringify({ status: 'success', log: 'printed == RESULT END == and == RESULT START ==' });
    expect(read(`talks of == RESULT START == only\n${START}${json}\n${END}`).block).toEqual(text(`${json}\n`));
  });

  test('is not kept beyond its limit', () => {
    expect(read(`${START}${'x'.repeat(20_000)}\n${END}`, [700]).block).toEqual({ kind: 'too large', bytes: 20_001 });
  });

  test('may be interrupted by progress', () => {
    const { block, progress } = read(`${START}{"a":\n== PROGRESS 0.5 ==\n1}\n${END}== PROGRESS 75 % ==\n== PROGRESS 2 ==\n== PROGRESS x ==\n`);
    expect(block).toEqual(text('{"a":\n1}\n'));
    expect(progress).toEqual([0.5, 0.75]);
  });

  test('is the same in whatever pieces it comes', () => {
    const part = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('{"status": "é🔭"}\n', START, END, START.trim(), END.trim(), '== PROGRESS 0.5 ==\n', '== ', '==', '\n', '\r\n', 'x'.repeat(300)) },
      { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }), (parts, sizes) => {
        const whole = parts.join('');
        expect(read(whole, sizes)).toEqual(read(whole));
      }),
      { numRuns: 500 },
    );
  });
});

test('what is no marker and no result is passed on, line by line in front of a marker', () => {
  expect(read(`one\ntwo== PROGRESS 0.5 ==\n${START}{}\n${END}three`).noise.split('\n').filter((line) => line !== '')).toEqual(['one', 'two', 'three']);
});
