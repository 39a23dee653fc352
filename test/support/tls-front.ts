/** Takes the encryption off connections for a server that has none, in a network namespace of its own choice. */
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import { withNetns } from '../../src/kernel/namespace.ts';

export interface TlsFront extends Disposable {
  /** At 127.0.0.1 of the namespace. */
  readonly port: number;
}

/** @param target port of the server at 127.0.0.1 of this process's namespace. */
export function listenWithTls(
  netnsFd: number,
  identity: { readonly cert: string; readonly key: string },
  target: number,
): TlsFront {
  const server = createServer({ cert: identity.cert, key: identity.key }, (socket) => {
    const behind = connect(target, '127.0.0.1');
    socket.pipe(behind).pipe(socket);
    // Each end that breaks takes the other along.
    socket.on('error', () => behind.destroy());
    behind.on('error', () => socket.destroy());
    socket.on('close', () => behind.destroy());
  });
  // Without a host, the socket is made before `listen` returns.
  withNetns(netnsFd, () => server.listen(0));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.dispose]: () => void server.close() };
}
