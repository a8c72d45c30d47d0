// A thread of its own in every process that runs isolated attempts: when the parent is gone, the whole process group goes too.
// The main thread could not see to it, because a runner may keep that busy for ever.
import { Socket } from 'node:net';
import { PARENT_FD } from './messages.ts';

const parent = new Socket({ fd: PARENT_FD, readable: true, writable: false });
parent.on('error', () => {});
parent.on('close', () => process.kill(-process.pid, 'SIGKILL'));
parent.resume();
