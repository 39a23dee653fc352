/** Counts the frames that arrive on any interface of a namespace and hold a text, from before there is an interface. */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { withNetns } from '../../src/kernel/namespace.ts';
import { libc, native } from '../../src/kernel/native.ts';
import { isSysError } from '../../src/lib/errors.ts';
import type { TestNetns } from './netns.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_ALL_NETWORK_ORDER = 0x0300;
const MSG_DONTWAIT = 0x40;
const FRAME_BYTES_MAX = 2048;
/** In struct sockaddr_ll: who the frame was for, and PACKET_OUTGOING there. */
const PACKET_TYPE_OFFSET = 10;
const PACKET_OUTGOING = 4;

const socket = libc.func('int socket(int domain, int type, int protocol)');
const recvfrom = libc.func(
  'long recvfrom(int fd, void *data, size_t length, int flags, void *address, _Inout_ uint32_t *addressLength)',
);

export class NetnsSniffer implements Disposable {
  readonly #fd: number;
  readonly #object: string;
  readonly #frame: Buffer = Buffer.alloc(FRAME_BYTES_MAX);
  readonly #address: Buffer = Buffer.alloc(20);

  constructor(netns: TestNetns) {
    this.#object = `every interface of ${netns.name}`;
    this.#fd = withNetns(netns.fd, () =>
      native(
        'socket',
        this.#object,
        () => socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, ETH_P_ALL_NETWORK_ORDER) as number,
      ),
    );
  }

  /** Frames with the text that arrived since the last call. */
  count(text: string): number {
    let count = 0;
    for (let length = this.#receive(); length > 0; length = this.#receive()) {
      const isOutgoing = this.#address[PACKET_TYPE_OFFSET] === PACKET_OUTGOING;
      if (!isOutgoing && this.#frame.subarray(0, length).includes(text)) count += 1;
    }
    return count;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #receive(): number {
    const addressLength = [this.#address.length];
    try {
      return native(
        'recvfrom',
        this.#object,
        () => recvfrom(this.#fd, this.#frame, this.#frame.length, MSG_DONTWAIT, this.#address, addressLength) as number,
      );
    } catch (error) {
      if (isSysError(error) && [constants.errno.EAGAIN, constants.errno.ENETDOWN].includes(error.errno)) return 0;
      throw error;
    }
  }
}
