import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byName, decimal, element, escapeXml, figure, label, picture } from '../../../runners/plots/svg.ts';
import { readXml } from './well-formed.ts';

describe('text in a picture', () => {
  it('is escaped, whatever it is', () => {
    expect(escapeXml(`<b title="x" id='y'>&</b>`)).toBe('&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/b&gt;');
    expect(escapeXml('a\u0000b\u001bc\ud800d')).toBe('a\ufffdb\ufffdc\ufffdd');
  });

  it('leaves every document well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const xml = picture({ id: 'x', width: 1, height: 1, title: text, description: text }, label(text, 0, 0, { 'data-name': text }));
        expect(() => readXml(xml)).not.toThrow();
      }),
    );
  });
});

describe('an element', () => {
  it('leaves out what is undefined and writes numbers short', () => {
    expect(element('path', { d: 'M0,0', r: 1.005, fill: undefined, x: 2 })).toBe('<path d="M0,0" r="1" x="2"/>');
    expect(element('g', {}, '<a/>', 'b')).toBe('<g><a/>b</g>');
  });
});

describe('a number', () => {
  it.each([
    [1, '1'],
    [100, '100'],
    [0.1 + 0.2, '0.3'],
    [-0.001, '0'],
    [-12.345, '-12.35'],
    [1e-9, '0'],
  ])('%f is written %s', (value, text) => {
    expect(decimal(value)).toBe(text);
  });

  it('has a real minus for people, and none at zero', () => {
    expect(figure(-1.5, 1)).toBe('−1.5');
    expect(figure(-0.001, 2, 'both')).toBe('0.00');
    expect(figure(1, 0, 'both')).toBe('+1');
  });
});

describe('sorting by name', () => {
  it('goes by code units and leaves the input alone', () => {
    const items = [{ name: 'b' }, { name: 'a' }, { name: 'B' }, { name: 'ä' }];
    expect(byName(items).map(({ name }) => name)).toEqual(['B', 'a', 'b', 'ä']);
    expect(items[0]!.name).toBe('b');
  });
});
