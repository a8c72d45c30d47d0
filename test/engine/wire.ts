import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { DatabaseAddress } from '../../src/db/database.ts';

/** A way to a database that can be cut: every connection breaks at once, and no new one is taken until it is mended. */
export interface Wire {
  /** The same database, through the wire. */
  address: DatabaseAddress;
  cut(): Promise<void>;
  mend(): Promise<void>;
  /** From now on nothing comes through what is open, and nobody is told: neither side hears of the other any more. New connections work. */
  silence(): void;
  /** The same, but what is sent still arrives: the answers alone are lost. */
  deafen(): void;
  /** The same for the connection that is next sent these letters, from then on. */
  deafenAt(letters: string): void;
}

/** Puts a wire before a database; it is taken away when the test is over. */
export async function wireTo(address: DatabaseAddress): Promise<Wire> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'afterglow-wire-'));
  const place = path.join(folder, '.s.PGSQL.5432');
  const open = new Set<net.Socket>();
  const ends = new WeakSet<net.Socket>();
  let awaited: string | undefined;
  const server = net.createServer((near) => {
    const far = net.connect(target(address));
    ends.add(far);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => {}).on('close', () => open.delete(socket));
    }
    near.on('data', (chunk: Buffer) => {
      if (awaited === undefined || !chunk.includes(awaited)) return;
      awaited = undefined;
      far.unpipe().resume();
    });
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  const mend = () => new Promise<void>((resolve) => server.listen(place, resolve));
  const cut = async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of open) socket.destroy();
    await closed;
  };
  const silence = () => {
    for (const socket of open) socket.unpipe().resume();
  };
  const deafen = () => {
    for (const socket of open) if (ends.has(socket)) socket.unpipe().resume();
  };
  const deafenAt = (letters: string) => {
    awaited = letters;
  };
  await mend();
  onTestFinished(async () => {
    if (server.listening) await cut();
    await rm(folder, { recursive: true });
  });
  return { address: through(address, folder), cut, mend, silence, deafen, deafenAt };
}

function target(address: DatabaseAddress): net.NetConnectOpts {
  if (!('url' in address)) return { path: path.join(address.host, `.s.PGSQL.${address.port}`) };
  const url = new URL(address.url);
  return { host: url.hostname, port: Number(url.port || 5432) };
}

function through(address: DatabaseAddress, folder: string): DatabaseAddress {
  if (!('url' in address)) return { ...address, host: folder, port: 5432 };
  const url = new URL(address.url);
  return { url: `postgresql://${url.username}:${url.password}@${url.pathname}?host=${encodeURIComponent(folder)}` };
}
