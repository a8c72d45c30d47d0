import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Hono } from 'hono';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { serveWeb } from '../../src/web/web.ts';

const app = new Hono();
app.get('/', (c) => c.text('here'));
app.get('/endless', (c) => c.body(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('data: one\n\n')) })));

async function given(host = '127.0.0.1') {
  const web = await serveWeb(app, { host, port: 0 });
  onTestFinished(() => web.close());
  return web;
}

it('says where it is', async () => {
  const web = await given();
  expect(web.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  expect(await (await fetch(web.url)).text()).toBe('here');
});

it('gives an address that a browser understands where it listens on everything', async () => {
  expect((await given('0.0.0.0')).url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
});

it('names the port that is in use, and the option for another', async () => {
  const taken = net.createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as net.AddressInfo;
  const error = await serveWeb(app, { host: '127.0.0.1', port }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toBe(`Port ${port} of 127.0.0.1 is in use by another program, maybe another Afterglow. Stop that one, or choose another port with --port.`);
});

it('says that the machine has no such address', async () => {
  await expect(serveWeb(app, { host: '203.0.113.7', port: 0 })).rejects.toThrow('This machine has no address "203.0.113.7" to serve the pages on; 127.0.0.1 always works.');
});

it('ends connections that are kept alive, and those that never end, without making anybody wait', async () => {
  const web = await serveWeb(app, { host: '127.0.0.1', port: 0 });
  const agent = new http.Agent({ keepAlive: true });
  const idle = http.get(web.url, { agent });
  const [reply] = (await once(idle, 'response')) as [http.IncomingMessage];
  reply.resume();
  await once(reply, 'end');
  const endless = http.get(`${web.url}endless`);
  const [stream] = (await once(endless, 'response')) as [http.IncomingMessage];
  await once(stream, 'data');
  const ended = new Promise((resolve) => stream.on('error', () => {}).on('close', resolve));

  const began = performance.now();
  await web.close();
  expect(performance.now() - began).toBeLessThan(2000);
  await ended;
  agent.destroy();
  await expect(fetch(web.url)).rejects.toThrow();
});

it('may be closed twice', async () => {
  const web = await serveWeb(app, { host: '127.0.0.1', port: 0 });
  await web.close();
  await web.close();
});
