import { describe, expect, it } from 'vitest';
import { QualifierError } from '../../src/errors.ts';
import type { Json } from '../../src/runner/outcome.ts';
import { dynamic, label, Qualifier, setting, settingUnset, unqualified, type QualifierContext } from '../../src/runner/qualifier.ts';

const context = (settings: Record<string, Json> = {}, given: Partial<QualifierContext> = {}): QualifierContext => ({
  setting: (name) => settings[name], labels: [], host: 'here', args: undefined, key: undefined, ...given,
});
const reasonOf = async (qualifiers: readonly Qualifier[], where: QualifierContext, seconds?: number) => (await unqualified('Fit', qualifiers, where, seconds))?.reason;

describe('a setting', () => {
  it('qualifies where it has the value, whatever order its fields stand in', async () => {
    const qualifiers = [setting('mode', { deep: [1, 2], night: true })];
    expect(await reasonOf(qualifiers, context({ mode: { night: true, deep: [1, 2] } }))).toBeUndefined();
    expect(await reasonOf(qualifiers, context({ mode: { night: true, deep: [2, 1] } }))).toBe('The setting "mode" is {"night":true,"deep":[2,1]}, and should be {"deep":[1,2],"night":true}.');
    expect(await reasonOf(qualifiers, context())).toBe('The setting "mode" is not set, and should be {"deep":[1,2],"night":true}.');
  });

  it('qualifies where a predicate is content with its value, which is undefined where it is not set', async () => {
    const qualifiers = [setting('most', (value) => typeof value === 'number' && value > 3)];
    expect(await reasonOf(qualifiers, context({ most: 4 }))).toBeUndefined();
    expect(await reasonOf(qualifiers, context({ most: 3 }))).toBe('The setting "most" is 3, which will not do.');
    expect(await reasonOf(qualifiers, context())).toBe('The setting "most" is not set, which will not do.');
  });

  it('must not be set at all where that is asked, null being a value too', async () => {
    expect(await reasonOf([settingUnset('stop')], context())).toBeUndefined();
    expect(await reasonOf([settingUnset('stop')], context({ stop: null }))).toBe('The setting "stop" is null, and should not be set.');
  });

  it('with a predicate that gives no boolean is an error that names it', async () => {
    const found = await unqualified('Fit', [setting('night', () => 'yes' as unknown as boolean)], context());
    expect(found!.error).toBeInstanceOf(QualifierError);
    expect(found!.error).toMatchObject({ task: 'Fit', qualifier: 'the setting "night"', code: 'QUALIFIER' });
    expect(found!.reason).toBe('Of the qualifiers of "Fit", the setting "night" gave "yes", not true or false.');
    expect(await reasonOf([setting('night', () => undefined as unknown as boolean)], context())).toContain('gave nothing, not true or false');
  });
});

describe('qualifiers', () => {
  it('must all hold, and the first that does not is named', async () => {
    const asked: string[] = [];
    const spy = (name: string, answer: boolean) => dynamic(() => (asked.push(name), answer), { name });
    expect(await reasonOf([spy('one', true), spy('two', true)], context())).toBeUndefined();
    expect(await reasonOf([spy('three', true), spy('four', false), spy('five', false)], context())).toBe('Four does not hold.');
    expect(asked).toEqual(['one', 'two', 'three', 'four']);
    expect(await reasonOf([], context())).toBeUndefined();
  });

  it('may ask for a label of the daemon', async () => {
    expect(await reasonOf([label('gpu')], context({}, { labels: ['gpu'] }))).toBeUndefined();
    expect(await reasonOf([label('gpu')], context({}, { labels: ['big'] }))).toBe('The daemon has not the label "gpu".');
  });

  it('may be classes of one\'s own, with words of their own', async () => {
    class OnHost extends Qualifier {
      readonly name = 'the host';
      override async check({ host }: QualifierContext): Promise<boolean> {
        return host === 'there';
      }
      override describe({ host }: QualifierContext): string {
        return `this is ${host}, not there`;
      }
    }
    expect(await reasonOf([new OnHost()], context())).toBe('This is here, not there.');
    expect(await reasonOf([new OnHost()], context({}, { host: 'there' }))).toBeUndefined();
  });

  it('that go by the arguments get them with their key', async () => {
    const qualifier = dynamic(({ args, key }) => (args as { repo: string }).repo === key, { byKey: true });
    expect(qualifier.byKey).toBe(true);
    expect(await reasonOf([qualifier], context({}, { args: { repo: 'a' }, key: 'a' }))).toBeUndefined();
  });

  it('that throw do not hold, and what they threw is told', async () => {
    const broken = dynamic(function weather() {
      throw new Error('no such station.');
    });
    const found = await unqualified('Fit', [broken], context());
    expect(found!.reason).toBe('Of the qualifiers of "Fit", the condition "weather" failed: no such station.');
    expect(found!.error!.cause).toMatchObject({ message: 'no such station.' });
  });

  it('that do not answer in time do not hold', async () => {
    expect(await reasonOf([dynamic(() => new Promise(() => {}))], context(), 0.01)).toBe('Of the qualifiers of "Fit", a condition failed: it did not answer within 0.01 s.');
  });
});
