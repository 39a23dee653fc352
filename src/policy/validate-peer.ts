/** One peer of a rule: NP-20, NP-21, NP-60, NP-62, NP-63. */
import { type Cidr, containsCidr, formatCidr } from '../net/cidr.ts';
import type { IpBlock, NetworkPolicyPeer } from './model.ts';
import { readCidr } from './validate-address.ts';
import { checkFields } from './validate-field.ts';
import { type Place, expectObject, field, readList } from './validate-place.ts';
import { readLabelSelector } from './validate-selector.ts';

/** Undefined, and reported, when any part of it is wrong. */
export function readPeer(place: Place): NetworkPolicyPeer | undefined {
  if (!expectObject(place)) return undefined;
  const { report, path } = place;
  const errorsBefore = report.errors;
  checkFields(place, ['podSelector', 'namespaceSelector', 'ipBlock'], {
    matchLabels: 'put it below podSelector or namespaceSelector',
    matchExpressions: 'put it below podSelector or namespaceSelector',
    cidr: 'put it below ipBlock',
    except: 'put it below ipBlock',
    ports: 'ports stand beside the list of peers, in the rule',
  });
  const podSelector = field(place, 'podSelector');
  const namespaceSelector = field(place, 'namespaceSelector');
  const block = field(place, 'ipBlock');
  const hasSelector = podSelector !== undefined || namespaceSelector !== undefined;
  if (!hasSelector && block === undefined) {
    report.error(path, 'must have podSelector, namespaceSelector or ipBlock', 'for every pod: namespaceSelector: {}');
  } else if (hasSelector && block !== undefined) {
    report.error(path, 'must not have ipBlock beside a selector', 'make two peers of it');
  }
  const peer: NetworkPolicyPeer = {
    ...(podSelector !== undefined && { podSelector: readLabelSelector(podSelector) }),
    ...(namespaceSelector !== undefined && { namespaceSelector: readLabelSelector(namespaceSelector) }),
  };
  const ipBlock = block && readIpBlock(block);
  if (report.errors > errorsBefore) return undefined;
  return ipBlock === undefined ? peer : { ipBlock };
}

function readIpBlock(place: Place): IpBlock | undefined {
  if (!expectObject(place)) return undefined;
  checkFields(place, ['cidr', 'except']);
  const at = field(place, 'cidr');
  if (at === undefined) place.report.error(`${place.path}.cidr`, 'is missing');
  const cidr = at && readCidr(at);
  const except = readList(field(place, 'except')).map((item) => readExcept(item, cidr));
  if (cidr === undefined) return undefined;
  return { cidr: formatCidr(cidr), except: except.filter((text) => text !== undefined) };
}

/** Strictly inside its block (NP-60), so of the same family (NP-62). */
function readExcept(place: Place, block: Cidr | undefined): string | undefined {
  const except = readCidr(place);
  if (except === undefined || block === undefined) return undefined;
  const text = formatCidr(except);
  if (containsCidr(block, except) && except.length > block.length) return text;
  const { report, path } = place;
  if (except.family !== block.family) report.error(path, `${text} is of another family than ${formatCidr(block)}`);
  else report.error(path, `${text} must lie inside ${formatCidr(block)} and be smaller`);
  return undefined;
}
