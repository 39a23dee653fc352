/** The port tables as the programs read them: one 16-bit port class for every port of every protocol, twice. */
import type { PortTable } from '../policy/tables.ts';
import { PORT_CLASSES_PER_CELL, PORT_TABLE_CELLS, type PortTableNumber } from './elements.ts';

const PORTS_PER_PROTOCOL = 65536;
const PROTOCOLS = 3;
const PORTS_PER_TABLE = PORT_TABLE_CELLS * PORT_CLASSES_PER_CELL;

/** Port classes of both tables together. */
export const PORT_CELLS_LENGTH: number = 2 * PORTS_PER_TABLE;

export function portIndex(number: PortTableNumber, protocol: number, port: number): number {
  return number * PORTS_PER_TABLE + protocol * PORTS_PER_PROTOCOL + port;
}

/** Reads a table back as intervals of equal port classes. A table in which every class is 0 was never written: empty. */
export function readPortTable(cells: Uint16Array, number: PortTableNumber): PortTable {
  const intervals: { protocol: number; first: number; last: number; portClass: number }[] = [];
  for (let protocol = 0; protocol < PROTOCOLS; protocol++) {
    const at = portIndex(number, protocol, 0);
    let first = 0;
    for (let port = 1; port <= PORTS_PER_PROTOCOL; port++) {
      if (port < PORTS_PER_PROTOCOL && cells[at + port] === cells[at + first]) continue;
      intervals.push({ protocol, first, last: port - 1, portClass: cells[at + first]! });
      first = port;
    }
  }
  const written = intervals.some(({ portClass }) => portClass !== 0) ? intervals : [];
  return {
    protocol: Uint8Array.from(written, ({ protocol }) => protocol),
    first: Uint16Array.from(written, ({ first }) => first),
    last: Uint16Array.from(written, ({ last }) => last),
    portClass: Uint16Array.from(written, ({ portClass }) => portClass),
  };
}
