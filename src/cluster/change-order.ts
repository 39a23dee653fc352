/** The order that ClusterUpdate promises: in it, readers who take changes one by one open nothing on the way. */
import type { ClusterChange } from '../policy/model.ts';
import type { ServiceChange } from '../service/model.ts';
import type { KnownKind } from './object-readers.ts';

type ServiceKind = ServiceChange['kind'];
type PolicyKind = Exclude<KnownKind, ServiceKind>;
type Op = ClusterChange['op'];

/** Deletions and settings of one kind after those of another. */
export const CHANGE_ORDER: readonly (readonly [Op, PolicyKind])[] = [
  ['delete', 'Pod'],
  ['set', 'Namespace'],
  ['set', 'Node'],
  ['set', 'NetworkPolicy'],
  ['set', 'ClusterNetworkPolicy'],
  ['set', 'Pod'],
  ['delete', 'NetworkPolicy'],
  ['delete', 'ClusterNetworkPolicy'],
  ['delete', 'Node'],
  ['delete', 'Namespace'],
];

/** Likewise. Nothing depends on it: a batch is resolved as a whole. */
export const SERVICE_CHANGE_ORDER: readonly (readonly [Op, ServiceKind])[] = [
  ['set', 'Service'],
  ['set', 'EndpointSlice'],
  ['delete', 'EndpointSlice'],
  ['delete', 'Service'],
];
