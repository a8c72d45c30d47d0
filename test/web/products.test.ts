import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { givenWeb, noDatabase } from './given.ts';

const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';

async function given() {
  const web = await givenWeb(noDatabase);
  await writeFile(path.join(web.products, 'map.svg'), SVG);
  return web;
}

describe('a file of the products folder', () => {
  it('is served, and what is in it may not run', async () => {
    const { get } = await given();
    const reply = await get('/products/map.svg');
    expect([reply.status, reply.headers.get('content-type'), await reply.text()]).toEqual([200, 'image/svg+xml', SVG]);
    expect(reply.headers.get('content-security-policy')).toBe("default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox");
  });

  it.each(['größe 1.csv', '100%.json', "it's.txt"])('may be called "%s"', async (name) => {
    const { get, products } = await given();
    await writeFile(path.join(products, name), 'x');
    expect(await (await get(`/products/${encodeURIComponent(name)}`)).text()).toBe('x');
  });

  it('is given as a file to keep where its type is not known', async () => {
    const { get, products } = await given();
    await writeFile(path.join(products, 'page.html'), '<script>alert(1)</script>');
    expect((await get('/products/page.html')).headers.get('content-type')).toBe('application/octet-stream');
  });

  it('is not sent again to those who have it', async () => {
    const { get, products } = await given();
    const first = await get('/products/map.svg');
    const etag = first.headers.get('etag')!;
    const lastModified = first.headers.get('last-modified')!;
    const theirs: Record<string, string>[] = [{ 'if-none-match': etag }, { 'if-none-match': `"other", W/${etag}` }, { 'if-modified-since': lastModified }];
    for (const headers of theirs) {
      const again = await get('/products/map.svg', headers);
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
    // The tag counts, not the date.
    expect((await get('/products/map.svg', { 'if-none-match': '"other"', 'if-modified-since': lastModified })).status).toBe(200);
    await writeFile(path.join(products, 'map.svg'), `${SVG} `);
    expect((await get('/products/map.svg', { 'if-none-match': etag })).status).toBe(200);
  });

  it('is described by HEAD without being sent', async () => {
    const { app } = await given();
    const reply = await app.request('/products/map.svg', { method: 'HEAD' });
    expect([reply.status, reply.headers.get('content-length'), await reply.text()]).toEqual([200, String(SVG.length), '']);
  });

  it('may be larger than memory should hold at once', async () => {
    const { get, products } = await given();
    const file = path.join(products, 'large.csv');
    await writeFile(file, '');
    await truncate(file, 20_000_000);
    const reply = await get('/products/large.csv');
    let bytes = 0;
    for await (const chunk of reply.body!) bytes += (chunk as Uint8Array).length;
    expect(bytes).toBe(20_000_000);
  });
});

describe('nothing else is', () => {
  it.each([
    '/products/', '/products/nothing.svg', '/products/.hidden', '/products/..%2f..%2fetc%2fpasswd',
    '/products/%2e%2e%2fsecret', '/products/..%5csecret', '/products/folder', '/products/folder%2fmap.svg', '/products/folder/map.svg', '/products/link.svg',
    '/products/map.svg%00', '/products/map.svg%2f', `/products/${'x'.repeat(300)}`, '/products//etc/passwd', '/products/%2fetc%2fpasswd',
  ])('%s', async (url) => {
    const { get, products } = await given();
    await writeFile(path.join(products, '.hidden'), 'secret');
    await mkdir(path.join(products, 'folder'));
    await writeFile(path.join(products, 'folder', 'map.svg'), SVG);
    await symlink('/etc/passwd', path.join(products, 'link.svg'));
    const reply = await get(url);
    expect(reply.status).toBe(404);
    expect(await reply.text()).toMatch(/^There is no such (product|page)\.\n$/);
  });
});

describe('what our pages are made of', () => {
  it.each([['htmx.js', 'text/javascript'], ['page.js', 'text/javascript'], ['afterglow.css', 'text/css'], ['board.css', 'text/css'], ['icon.svg', 'image/svg+xml']])('%s is served as %s', async (name, type) => {
    const { get } = await given();
    const reply = await get(`/assets/${name}`);
    expect([reply.status, reply.headers.get('content-type')?.split(';')[0]]).toEqual([200, type]);
  });

  it('and no other file', async () => {
    const { get } = await given();
    for (const name of ['pages.ts', '__proto__', 'constructor', '..%2f..%2fweb.ts']) expect((await get(`/assets/${name}`)).status, name).toBe(404);
  });
});
