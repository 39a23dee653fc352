/** Service tables written by hand into the real maps, and frames read back for what translation did to them. */
import * as abi from '../../src/kernel/abi.gen.ts';
import { formatAddress, parseAddress, tableBytes } from '../../src/net/address.ts';
import type { LoadedPrograms } from './loaded-programs.ts';

export interface TestBackend {
  readonly id: number;
  readonly address: string;
  readonly port: number;
}

export interface TestFrontend {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
  readonly flags?: number;
  /** The slots, each led to one of these. */
  readonly backends: readonly TestBackend[];
  /** @default 0 */
  readonly firstSlot?: number;
  /** @default 0 */
  readonly affinitySeconds?: number;
}

/** Addresses and ports as a frame has them. */
export interface FrameTuple {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export function setFrontend(host: LoadedPrograms, frontend: TestFrontend): void {
  const { id, address, port, protocol, flags = 0, backends, firstSlot = 0, affinitySeconds = 0 } = frontend;
  for (const backend of backends) setBackend(host, backend, id);
  for (const [slot, backend] of backends.entries()) setSlot(host, firstSlot + slot, backend.id);
  setFrontendElement(
    host,
    { address, port, protocol },
    { id, flags, firstSlot, slotCount: backends.length, affinitySeconds },
  );
  const addressFlags = abi.FrontendFlag.FRONTEND_ADDRESS;
  const none = { id: 0, flags: addressFlags, firstSlot: 0, slotCount: 0, affinitySeconds: 0 };
  setFrontendElement(host, { address, port: 0, protocol: 0 }, none);
}

/** frontend: id of the one that it is behind. */
export function setBackend(host: LoadedPrograms, { id, address, port }: TestBackend, frontend: number): void {
  const parsed = parseAddress(address)!;
  const value = new Uint8Array(abi.BACKEND_VALUE_SIZE);
  const fields = { address: tableBytes(parsed), port, family: parsed.family, pad: 0, frontend };
  abi.encodeBackendValue(new DataView(value.buffer), 0, fields);
  host.object.map('backends').update(word(id), value);
}

export function removeBackend(host: LoadedPrograms, id: number): void {
  host.object.map('backends').delete(word(id));
}

/** As if every client's last new flow had been that much earlier. */
export function ageAffinities(host: LoadedPrograms, seconds: number): void {
  const map = host.object.map('affinities');
  for (const { key, value } of map.entries()) {
    const view = new DataView(value.buffer, value.byteOffset);
    view.setBigUint64(0, view.getBigUint64(0, true) - BigInt(seconds) * 1_000_000_000n, true);
    map.update(key, value);
  }
}

export function setServiceRange(host: LoadedPrograms, address: string, length: number): void {
  const parsed = parseAddress(address)!;
  const key = new Uint8Array(abi.PREFIX_KEY_SIZE);
  const fields = { bits: 32 + length, family: parsed.family, pad: new Uint8Array(3), address: tableBytes(parsed) };
  abi.encodePrefixKey(new DataView(key.buffer), 0, fields);
  host.object.map('service_ranges').update(key, word(0));
}

/** Of TCP, UDP or SCTP directly behind the IP header, or of the start of what is there. */
export function tupleOf(frame: Uint8Array, offset = 14): FrameTuple {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isIpv4 = view.getUint8(offset) >> 4 === 4;
  const at = offset + (isIpv4 ? 12 : 8);
  const width = isIpv4 ? 4 : 16;
  const transport = offset + (isIpv4 ? (view.getUint8(offset) & 15) * 4 : 40);
  return {
    source: formatAddress(frame.slice(at, at + width)),
    sourcePort: view.getUint16(transport),
    destination: formatAddress(frame.slice(at + width, at + 2 * width)),
    destinationPort: view.getUint16(transport + 2),
  };
}

function setFrontendElement(
  host: LoadedPrograms,
  { address, port, protocol }: Pick<TestFrontend, 'address' | 'port' | 'protocol'>,
  fields: abi.FrontendValue,
): void {
  const parsed = parseAddress(address)!;
  const key = new Uint8Array(abi.FRONTEND_KEY_SIZE);
  const keyFields = { family: parsed.family, protocol, port, address: tableBytes(parsed) };
  abi.encodeFrontendKey(new DataView(key.buffer), 0, keyFields);
  const value = new Uint8Array(abi.FRONTEND_VALUE_SIZE);
  abi.encodeFrontendValue(new DataView(value.buffer), 0, fields);
  host.object.map('frontends').update(key, value);
}

function setSlot(host: LoadedPrograms, slot: number, backend: number): void {
  const map = host.object.map('slots');
  const index = word(Math.floor(slot / abi.Limit.SLOTS_PER_CELL));
  const cell = map.lookup(index)!;
  new DataView(cell.buffer).setUint32((slot % abi.Limit.SLOTS_PER_CELL) * 4, backend, true);
  map.update(index, cell);
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
