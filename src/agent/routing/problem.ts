/** Problems of the routing, told of the Node object that they are about. */
import type { ObjectProblem } from '../../cluster/source.ts';

export function nodeProblem(
  severity: ObjectProblem['severity'],
  name: string,
  path: string,
  message: string,
  hint = '',
): ObjectProblem {
  const object = { apiVersion: 'v1', kind: 'Node', namespace: '', name };
  return { severity, object, file: undefined, place: undefined, path, message, hint };
}
