/** How elements lie in the maps: the generated codecs under one shape, with the key of a prefix as the planner has it. */
import * as abi from '../../kernel/abi.gen.ts';
import type {
  AddressElement,
  AddressKey,
  EndpointElement,
  LocalElement,
  PrefixElement,
  PrefixKey,
  RowElement,
  RowKey,
} from '../elements.ts';
import { familyOf } from '../lookup.ts';

/** Bits of a prefix key in front of the address: the family byte and three of padding. */
const PREFIX_KEY_HEAD_BITS = 32;
export interface Codec<T> {
  readonly size: number;
  readonly encode: (view: DataView, offset: number, value: T) => void;
  readonly decode: (view: DataView, offset: number) => T;
}

export const ENDPOINT_KEY: Codec<abi.EndpointKey> = {
  size: abi.ENDPOINT_KEY_SIZE,
  encode: abi.encodeEndpointKey,
  decode: abi.decodeEndpointKey,
};
export const ENDPOINT: Codec<EndpointElement> = {
  size: abi.ENDPOINT_VALUE_SIZE,
  encode: abi.encodeEndpointValue,
  decode: abi.decodeEndpointValue,
};
export const ADDRESS_KEY: Codec<AddressKey> = {
  size: abi.ADDRESS_KEY_SIZE,
  encode: abi.encodeAddressKey,
  decode: (view, offset) => {
    const { family, address } = abi.decodeAddressKey(view, offset);
    return { family: familyOf(family), address };
  },
};
export const ADDRESS: Codec<AddressElement> = {
  size: abi.ADDRESS_VALUE_SIZE,
  encode: abi.encodeAddressValue,
  decode: abi.decodeAddressValue,
};
export const LOCAL: Codec<LocalElement> = {
  size: abi.LOCAL_VALUE_SIZE,
  encode: abi.encodeLocalValue,
  decode: abi.decodeLocalValue,
};
export const PREFIX_KEY: Codec<PrefixKey> = {
  size: abi.PREFIX_KEY_SIZE,
  encode: (view, offset, { family, address, length }) => {
    abi.encodePrefixKey(view, offset, { bits: PREFIX_KEY_HEAD_BITS + length, family, address });
  },
  decode: (view, offset) => {
    const { bits, family, address } = abi.decodePrefixKey(view, offset);
    return { family: familyOf(family), address, length: bits - PREFIX_KEY_HEAD_BITS };
  },
};
export const PREFIX: Codec<PrefixElement> = {
  size: abi.PREFIX_VALUE_SIZE,
  encode: abi.encodePrefixValue,
  decode: abi.decodePrefixValue,
};
export const ROW_KEY: Codec<RowKey> = { size: abi.ROW_KEY_SIZE, encode: abi.encodeRowKey, decode: abi.decodeRowKey };
export const ROW: Codec<RowElement> = {
  size: abi.ROW_VALUE_SIZE,
  encode: abi.encodeRowValue,
  decode: abi.decodeRowValue,
};

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
