import { describe, expect, it } from 'vitest';
import { isLoopback } from '../../src/web/guard.ts';
import { givenWeb, noDatabase } from './given.ts';

const ASSET = '/assets/icon.svg';

describe('a server for this machine', () => {
  it.each(['localhost', 'LocalHost:4000', '127.0.0.1:4000', '[::1]:4000'])('answers to %s', async (host) => {
    const { get } = await givenWeb(noDatabase);
    expect((await get(ASSET, { host })).status).toBe(200);
  });

  it.each(['evil.example', 'evil.example:4000', 'localhost.evil.example', '127.0.0.1.evil.example', '192.168.1.7', ''])('does not answer to "%s": its address could be ours', async (host) => {
    const { get } = await givenWeb(noDatabase);
    const reply = await get(ASSET, { host });
    expect(reply.status).toBe(403);
    expect(await reply.text()).toBe(`This server does not answer to the name "${host.replace(/:\d+$/, '')}".\n`);
  });

  it('answers to more names where they are allowed', async () => {
    const { get } = await givenWeb(noDatabase, { allowedHosts: ['pipeline.example'] });
    expect((await get(ASSET, { host: 'Pipeline.example:443' })).status).toBe(200);
    expect((await get(ASSET, { host: 'other.example' })).status).toBe(403);
  });
});

describe('a server for everybody', () => {
  it('answers to any name', async () => {
    const { get } = await givenWeb(noDatabase, { host: '0.0.0.0' });
    expect((await get(ASSET, { host: 'pipeline.example' })).status).toBe(200);
  });

  it('answers to the names that are allowed, and on this machine', async () => {
    const { get } = await givenWeb(noDatabase, { host: '::', allowedHosts: ['pipeline.example'] });
    expect((await get(ASSET, { host: 'pipeline.example' })).status).toBe(200);
    expect((await get(ASSET, { host: '127.0.0.1:4000' })).status).toBe(200);
    expect((await get(ASSET, { host: 'evil.example' })).status).toBe(403);
  });
});

it.each([['127.0.0.1', true], ['127.1.2.3', true], ['localhost', true], ['::1', true], ['0.0.0.0', false], ['::', false], ['127.0.0.1.evil.example', false]])('%s is loopback: %s', (host, is) => {
  expect(isLoopback(host)).toBe(is);
});

describe("another site's page", () => {
  const act = async (headers: Record<string, string>) =>
    (await (await givenWeb(noDatabase)).app.request('http://localhost/assets/icon.svg', { method: 'POST', headers })).status;

  it.each<Record<string, string>>([
    { 'sec-fetch-site': 'cross-site' },
    // Another port of this machine.
    { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' },
    { origin: 'http://evil.example' },
    { origin: 'http://localhost:3000' },
    { origin: 'null' },
  ])('cannot change anything: %j', async (headers) => {
    expect(await act(headers)).toBe(403);
  });

  // 404: nothing is there for POST, but it was let through.
  it.each<Record<string, string>>([{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, { origin: 'http://localhost' }, {}])('but ours and a command line can: %j', async (headers) => {
    expect(await act(headers)).toBe(404);
  });

  it('cannot read either: nothing allows it to', async () => {
    const { get } = await givenWeb(noDatabase);
    const reply = await get(ASSET, { origin: 'http://evil.example' });
    expect(reply.headers.get('access-control-allow-origin')).toBeNull();
    expect(reply.headers.get('cross-origin-resource-policy')).toBe('same-origin');
  });
});

it.each([ASSET, '/nowhere', '/board/static/js/nowhere.js', '/healthz'])('%s says what browsers may do with it', async (url) => {
  const { get } = await givenWeb(noDatabase);
  const { headers } = await get(url);
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'self'.*frame-ancestors 'none'/);
  expect(headers.get('content-security-policy')).not.toContain('http');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
});

it('our own pages may not run or style anything inline', async () => {
  const { get } = await givenWeb(noDatabase);
  expect((await get(ASSET)).headers.get('content-security-policy')).not.toContain('unsafe');
});
