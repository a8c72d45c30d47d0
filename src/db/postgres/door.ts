import { chmodSync, chownSync, rmSync } from 'node:fs';
import net from 'node:net';
import type { Owner } from './places.ts';

/** The line by which a client asks to hold the server. */
export const HOLD = 'hold';

/** What the keeper answers, as one line of JSON; from then on the client holds the server until its socket closes. */
export interface Greeting {
  keeperPid: number;
  serverPid: number;
}

/** The keeper's socket, counting who holds the server. */
export interface Door {
  /**
   * Resolves when the last holder has gone, or when nobody came in time. The door is closed by then: nobody can come in any more.
   * The sockets of those who said goodbye last stay open until this process ends, so that they see the end of the server by it.
   */
  readonly everyoneLeft: Promise<void>;
  close(): void;
}

/**
 * Opens the keeper's socket, in place of what a dead keeper may have left there. Only who has the server may do this.
 *
 * @param nobodyComes when this resolves and nobody holds the server, the door closes
 */
export async function openDoor(file: string, owner: Owner, greeting: () => Greeting, nobodyComes: Promise<unknown>): Promise<Door> {
  const holders = new Set<net.Socket>();
  const { promise: everyoneLeft, resolve: tellThatEveryoneLeft } = Promise.withResolvers<void>();
  const server = net.createServer({ allowHalfOpen: true });
  let isOpen = true;
  const close = (): void => {
    isOpen = false;
    if (server.listening) server.close();
    tellThatEveryoneLeft();
  };
  void nobodyComes.then(() => {
    if (holders.size === 0) close();
  });

  server.on('connection', (socket) => {
    let said = '';
    const leave = (): void => {
      if (!holders.delete(socket)) return void socket.destroy();
      if (holders.size === 0) close();
      else socket.end();
    };
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      said = (said + text).slice(0, HOLD.length + 1);
      if (said !== `${HOLD}\n` || holders.has(socket)) return;
      if (!isOpen) return void socket.destroy();
      holders.add(socket);
      socket.write(`${JSON.stringify(greeting())}\n`);
    });
    socket.on('end', leave);
    socket.on('close', leave);
    socket.on('error', leave);
  });

  rmSync(file, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(file, resolve);
  });
  // The folder lets nobody else in.
  chmodSync(file, 0o600);
  if (process.getuid?.() !== owner.uid) chownSync(file, owner.uid, owner.gid);
  return { everyoneLeft, close };
}

/** Whether a keeper listens there. */
export function answers(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
