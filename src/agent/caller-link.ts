/** What the local server wants to know of a connection that node:http does not tell: who called, and how it ended. */
import type { Socket } from 'node:net';
import type { PeerCredentials } from './local-exchange.ts';

/** How a connection ended: the caller closed it, it broke, or it is still open. */
type End = 'open' | 'closed' | 'broken';

export class CallerLink {
  readonly #socket: Socket;
  readonly #peerCredentials: (fd: number) => PeerCredentials;
  #end: End = 'open';

  constructor(socket: Socket, peerCredentials: (fd: number) => PeerCredentials) {
    this.#socket = socket;
    this.#peerCredentials = peerCredentials;
    socket.on('close', (hadError) => {
      this.#end = hadError ? 'broken' : 'closed';
    });
  }

  /** @throws Error when the connection is closed already. */
  peer(): PeerCredentials {
    return this.#peerCredentials(descriptorOf(this.#socket));
  }

  /**
   * Waits until the caller closes the connection. A unix socket that is closed with unread bytes in it resets the
   * connection: false then, and true for an orderly end, or when the caller takes longer than `waitMs`.
   */
  taken(waitMs: number): Promise<boolean> {
    if (this.#end !== 'open') return Promise.resolve(this.#end === 'closed');
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#socket.off('close', onClose);
        resolve(true);
      }, waitMs);
      const onClose = (hadError: boolean): void => {
        clearTimeout(timer);
        resolve(!hadError);
      };
      this.#socket.on('close', onClose);
    });
  }
}

/** Node has no public name for the descriptor of a socket; `_handle.fd` is what it has. */
function descriptorOf(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new Error('the connection has no descriptor any more');
}
