import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { describe, expect, test } from 'vitest';

// No Docker engine runs the tests, so these check what can be checked without one.
const repository = fileURLToPath(new URL('..', import.meta.url));
const read = (file: string) => readFileSync(path.join(repository, file), 'utf8');
const instructions = read('Dockerfile')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter((line) => /^[A-Z]/.test(line));
const argumentsOf = (word: string) => instructions.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1).trim());

describe('Dockerfile', () => {
  const copied = argumentsOf('COPY').flatMap((words) => words.split(' ').slice(0, -1));

  test('copies only what is there, and .dockerignore lets exactly that through', () => {
    const letThrough = read('.dockerignore').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(copied.filter((file) => !existsSync(path.join(repository, file)))).toEqual([]);
    expect(new Set(copied)).toEqual(new Set(letThrough));
    expect(copied.length).toBeGreaterThan(3);
  });

  test('has the Node of .node-version, runs as an ordinary user, and starts what npm start starts', () => {
    const [major] = read('.node-version').split('.');
    const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
    expect(argumentsOf('FROM')).toEqual([`node:${major}-bookworm-slim`]);
    expect(argumentsOf('USER')).toEqual(['node']);
    const command = [...(JSON.parse(argumentsOf('ENTRYPOINT')[0]!) as string[]), ...(JSON.parse(argumentsOf('CMD')[0]!) as string[])];
    expect(command).toEqual(['node', 'src/main.ts', 'start']);
    expect(scripts.start).toBe('exec node src/main.ts');
  });

  test.each([
    [200, 0],
    [503, 1],
  ])('the health check of a daemon that answers %i leaves with %i', async (status, code) => {
    const [program, ...words] = JSON.parse(argumentsOf('HEALTHCHECK')[0]!.split(' CMD ')[1]!) as string[];
    const server = createServer((request, response) => response.writeHead(request.url === '/healthz' ? status : 404).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(program).toBe('node');
    const check = spawn(process.execPath, words, { env: { ...process.env, AFTERGLOW_PORT: String(port) } });
    expect(await once(check, 'exit')).toEqual([code, null]);
    server.close();
  });
});

describe('compose.yaml', () => {
  interface Service {
    image?: string;
    build?: string;
    command?: string[];
    ports?: string[];
    environment: Record<string, string>;
    volumes: string[];
    depends_on?: Record<string, { condition: string }>;
    healthcheck?: { test?: string[]; disable?: boolean };
  }
  // Compose understands merge keys, which are in YAML 1.1 alone.
  const compose = load(read('compose.yaml'), { schema: YAML11_SCHEMA }) as { services: Record<string, Service>; volumes: Record<string, unknown> };
  const { database, daemon, worker } = compose.services as { database: Service; daemon: Service; worker: Service };

  test('has PostgreSQL, a daemon and a worker, of which only the daemon is reachable, from this machine', () => {
    expect(Object.keys(compose.services)).toEqual(['database', 'daemon', 'worker']);
    expect(Object.values(compose.services).flatMap(({ ports }) => ports ?? [])).toEqual(['127.0.0.1:4000:4000']);
    expect(worker.command).toEqual(['worker']);
    expect(daemon.build).toBe('.');
    expect(worker.image).toBe(daemon.image);
  });

  test('daemon and worker wait for the database, the worker for the daemon too, know its address, and nobody has a password in the file', () => {
    expect(daemon.depends_on).toEqual({ database: { condition: 'service_healthy' } });
    expect(worker.depends_on).toEqual({ database: { condition: 'service_healthy' }, daemon: { condition: 'service_healthy' } });
    for (const service of [daemon, worker]) {
      const url = new URL(service.environment.DATABASE_URL!);
      expect([url.hostname, url.port, url.username, url.pathname]).toEqual(['database', '5432', database.environment.POSTGRES_USER, `/${database.environment.POSTGRES_DB}`]);
      expect(url.password).toBe('');
      expect(service.environment.PGPASSWORD).toBe(database.environment.POSTGRES_PASSWORD);
    }
    expect(database.environment.POSTGRES_PASSWORD).toMatch(/^\$\{AFTERGLOW_DB_PASSWORD:\?.+\}$/);
    expect(database.healthcheck?.test?.slice(0, 2)).toEqual(['CMD', 'pg_isready']);
  });

  test('every volume that a service uses is declared', () => {
    const used = Object.values(compose.services).flatMap(({ volumes }) => volumes.map((volume) => volume.split(':')[0]));
    expect(new Set(used)).toEqual(new Set(Object.keys(compose.volumes)));
  });
});
