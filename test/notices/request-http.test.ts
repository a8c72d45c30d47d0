import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceError } from '../../src/errors.ts';
import { requestHttp, type HttpQuestion } from '../../src/notices/request-http.ts';

/** A server that answers so, at a free port of this machine. */
async function givenServer(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const ask = (url: string, more: Partial<HttpQuestion> = {}, signal = new AbortController().signal) => requestHttp({ url, method: 'POST', headers: {}, timeoutSeconds: 5, ...more }, signal);

test('C25: a request goes with method, headers and data, and the answer is given as it was', async () => {
  let heard: object | undefined;
  const url = await givenServer((request, response) => void (async () => {
    heard = { method: request.method, type: request.headers['content-type'], key: request.headers['x-key'], body: await text(request) };
    response.setHeader('content-type', 'application/json').end('{"ok":true}');
  })());
  expect(await ask(`${url}/x`, { data: { a: [1] }, headers: { 'x-key': '1' } })).toEqual({ successful: true, statusCode: 200, response: { ok: true } });
  expect(heard).toEqual({ method: 'POST', type: 'application/json', key: '1', body: '{"a":[1]}' });
  expect(await ask(url, { method: 'PUT', data: 'plain' })).toMatchObject({ successful: true });
  expect(heard).toMatchObject({ method: 'PUT', body: 'plain' });
});

test('C24: an answer of 4xx is an answer, one of 5xx or 429 is worth another attempt', async () => {
  const url = await givenServer((request, response) => {
    const code = Number(request.url!.slice(1));
    response.writeHead(code, code === 429 ? { 'retry-after': '120' } : {}).end('text');
  });
  expect(await ask(`${url}/404`)).toEqual({ successful: false, statusCode: 404, response: 'text' });
  await expect(ask(`${url}/503`)).rejects.toThrow(ServiceError);
  const error = await ask(`${url}/429`).catch((thrown: unknown) => thrown as ServiceError);
  expect(((error as ServiceError).retryAt!.getTime() - Date.now()) / 1000).toBeGreaterThan(115);
});

test('C25: a server that does not answer in time, or is not there, is worth another attempt, and its path is not told', async () => {
  const url = await givenServer(() => {});
  await expect(ask(`${url}/secret`, { timeoutSeconds: 0.1 })).rejects.toThrow(`${url} did not answer within 0.1 s.`);
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const { port } = gone.address() as AddressInfo;
  gone.close();
  const error = await ask(`http://127.0.0.1:${port}/secret`).catch((thrown: unknown) => thrown as Error);
  expect(error).toBeInstanceOf(ServiceError);
  expect((error as Error).message).toMatch(/^http:\/\/127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
  expect((error as Error).message).not.toContain('secret');
});

test('an attempt that is told to stop does not wait for the answer', async () => {
  const url = await givenServer(() => {});
  const abort = new AbortController();
  const asked = ask(url, {}, abort.signal);
  abort.abort(new Error('cancelled'));
  await expect(asked).rejects.toThrow('cancelled');
});

test('of an answer without end the beginning is read', async () => {
  const url = await givenServer((_request, response) => {
    const more = () => {
      while (response.write('x'.repeat(10_000)));
    };
    response.on('drain', more);
    more();
  });
  expect(String((await ask(url)).response).length).toBe(100_000);
});
