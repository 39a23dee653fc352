/** The tables of one node as a dry run compiles them, whether they would fit, and what they and each policy cost. */
import { LIMIT_ENDPOINTS } from '../../datapath/elements.ts';
import * as abi from '../../kernel/abi.gen.ts';
import { clusterPolicyKey } from '../../policy/cluster-policy.ts';
import { Compiler, type CompileResult } from '../../policy/compiler.ts';
import { LIMIT_ADDRESSES, LIMIT_PREFIXES, LIMIT_ROWS } from '../../policy/ids.ts';
import type { ClusterChange, Pod } from '../../policy/model.ts';
import type { TableGlossary } from '../../policy/table-text.ts';
import type { VerdictTables } from '../../policy/tables.ts';

export interface NodeTables {
  readonly node: string;
  readonly changes: readonly ClusterChange[];
  readonly compiler: Compiler;
  readonly result: CompileResult;
  readonly glossary: TableGlossary;
  /** By endpoint id. */
  readonly pods: ReadonlyMap<number, Pod>;
  readonly policies: readonly CostedPolicy[];
  /** Why the tables would be refused; empty when they fit. */
  readonly misfits: readonly string[];
}

/** A policy of either kind, as the tables name it: `namespace/name` or `cnp:NAME`. */
export interface CostedPolicy {
  readonly key: string;
  readonly set: ClusterChange;
  readonly remove: ClusterChange;
}

export interface MapCost {
  readonly map: 'endpoints' | 'addresses' | 'prefixes' | 'ports' | 'rows';
  readonly elements: number;
  /** Elements that fit. */
  readonly limit: number;
  /** Keys and values, without what the kernel adds to each. */
  readonly bytes: number;
}

export interface TableCost {
  readonly ruleSets: number;
  readonly maps: readonly MapCost[];
  readonly bytes: number;
}

export interface PolicyCost {
  readonly policy: string;
  /** How many fewer there would be without the policy; less than 0: it spares some. */
  readonly rows: number;
  readonly prefixes: number;
  readonly bytes: number;
}

/** Policies that are left out one after the other, to see what each costs. */
const POLICIES_COSTED_MAX = 500;

const ELEMENT_BYTES = {
  endpoints: abi.ENDPOINT_KEY_SIZE + abi.ENDPOINT_VALUE_SIZE,
  addresses: abi.ADDRESS_KEY_SIZE + abi.ADDRESS_VALUE_SIZE,
  prefixes: abi.PREFIX_KEY_SIZE + abi.PREFIX_VALUE_SIZE,
  ports: abi.PORT_CELL_SIZE,
  rows: abi.ROW_KEY_SIZE + abi.ROW_VALUE_SIZE,
} as const;
const PORT_CELLS = abi.Limit.PORT_TABLE_CELLS * abi.Limit.PORT_TABLES;
const LIMITS = {
  endpoints: LIMIT_ENDPOINTS,
  addresses: LIMIT_ADDRESSES,
  prefixes: LIMIT_PREFIXES,
  ports: PORT_CELLS,
  rows: LIMIT_ROWS,
} as const;

/** `own`: the pods that are endpoints of this node; they get ids from 1 in the order of their names. */
export function compileNode(changes: readonly ClusterChange[], node: string, own: readonly Pod[]): NodeTables {
  const compiler = new Compiler({ node });
  for (const change of changes) compiler.update(change);
  const pods = new Map<number, Pod>();
  for (const pod of own.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) {
    const id = pods.size + 1;
    pods.set(id, pod);
    const { namespace, name, uid, podIPs } = pod;
    compiler.update({ kind: 'LocalEndpoint', op: 'set', object: { id, namespace, name, uid, addresses: podIPs } });
  }
  const result = compiler.compile();
  const glossary: TableGlossary = {
    describeRuleSet: (id) => compiler.describeRuleSet(id),
    describePeerClass: (id) => compiler.describePeerClass(id),
    describePortClass: (id) => compiler.describePortClass(id),
    describeEndpoint: (id) => {
      const pod = pods.get(id);
      return pod && keyOf(pod);
    },
  };
  const policies = changes.flatMap(costedPolicy);
  return { node, changes, compiler, result, glossary, pods, policies, misfits: misfitsOf(result, pods.size) };
}

function costedPolicy(change: ClusterChange): readonly CostedPolicy[] {
  if (change.op !== 'set') return [];
  if (change.kind === 'NetworkPolicy') {
    const key = keyOf(change.object);
    return [{ key, set: change, remove: { kind: change.kind, op: 'delete', key } }];
  }
  if (change.kind !== 'ClusterNetworkPolicy') return [];
  const { name } = change.object;
  return [{ key: clusterPolicyKey(name), set: change, remove: { kind: change.kind, op: 'delete', key: name } }];
}

function misfitsOf({ problems }: CompileResult, endpoints: number): readonly string[] {
  const limits = problems.filter(({ kind }) => kind === 'limit').map(({ message }) => message);
  if (endpoints <= LIMIT_ENDPOINTS) return limits;
  return [`${endpoints} pods are endpoints of this node, LIMIT_ENDPOINTS, ${LIMIT_ENDPOINTS}, fit`, ...limits];
}

export function costOf(tables: VerdictTables): TableCost {
  const elements = {
    endpoints: tables.endpoints.id.length,
    addresses: tables.addresses.classes.length,
    prefixes: tables.prefixes.classes.length,
    ports: PORT_CELLS,
    rows: tables.rows.ruleSet.length,
  };
  const maps = (Object.keys(elements) as (keyof typeof elements)[]).map((map) => {
    return { map, elements: elements[map], limit: LIMITS[map], bytes: elements[map] * ELEMENT_BYTES[map] };
  });
  const ruleSets = new Set([...tables.endpoints.ingress, ...tables.endpoints.egress]).size;
  return { ruleSets, maps, bytes: maps.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** What each policy that has a say at a pod of the node costs: the difference that leaving it out makes. Most first. */
export function policyCosts(tables: NodeTables): {
  readonly policies: readonly PolicyCost[];
  readonly notes: readonly string[];
} {
  const { result } = tables;
  // Of its own: it gives numbers back, and those of the tables must keep their meaning.
  const { compiler } = compileNode(tables.changes, tables.node, [...tables.pods.values()]);
  const { ingressPolicies, egressPolicies } = result.tables.endpoints;
  const inUse = new Set([...ingressPolicies.flat(), ...egressPolicies.flat()]);
  const used = tables.policies.filter(({ key }) => inUse.has(key));
  const whole = sizesOf(result.tables);
  const policies = used.slice(0, POLICIES_COSTED_MAX).map(({ key, set, remove }): PolicyCost => {
    compiler.update(remove);
    const without = compiler.compile();
    compiler.update(set);
    compiler.release(compiler.compile().retired);
    const rest = sizesOf(without.tables);
    const rows = whole.rows - rest.rows;
    const prefixes = whole.prefixes - rest.prefixes;
    return {
      policy: key,
      rows,
      prefixes,
      bytes: rows * ELEMENT_BYTES.rows + prefixes * ELEMENT_BYTES.prefixes,
    };
  });
  const more = used.length - policies.length;
  const notes =
    more > 0 ? [`the cost of ${more} more policies is not told: POLICIES_COSTED_MAX is ${POLICIES_COSTED_MAX}`] : [];
  return { policies: policies.toSorted((a, b) => b.bytes - a.bytes || (a.policy < b.policy ? -1 : 1)), notes };
}

function sizesOf(tables: VerdictTables): { readonly rows: number; readonly prefixes: number } {
  return { rows: tables.rows.ruleSet.length, prefixes: tables.prefixes.classes.length };
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
