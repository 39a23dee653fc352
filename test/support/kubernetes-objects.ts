/**
 * Objects as the API server would take them with strict field validation: typed by Kubernetes' OpenAPI documents, without
 * fields that these do not have.
 */
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from 'kubernetes-models/rbac.authorization.k8s.io/v1';
import { ConfigMap, Namespace, ServiceAccount } from 'kubernetes-models/v1';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

type Model = new (object: never) => { validate: () => void };

const MODELS: Readonly<Record<string, Model>> = {
  'v1 ConfigMap': ConfigMap,
  'v1 Namespace': Namespace,
  'v1 ServiceAccount': ServiceAccount,
  'apps/v1 DaemonSet': DaemonSet,
  'rbac.authorization.k8s.io/v1 ClusterRole': ClusterRole,
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': ClusterRoleBinding,
  'rbac.authorization.k8s.io/v1 Role': Role,
  'rbac.authorization.k8s.io/v1 RoleBinding': RoleBinding,
};

/** What is wrong with the object; empty: nothing. @throws Error for a kind that is not in the table above. */
export function problemsOf(object: KubernetesObject): readonly string[] {
  const { apiVersion, kind } = object;
  const Kind = MODELS[`${apiVersion} ${kind}`];
  if (Kind === undefined) throw new Error(`${apiVersion} ${kind} is not among the kinds that are validated`);
  const read = new Set<string>();
  const model = new Kind(structuredClone(object) as never);
  try {
    // The validators look at every field that they know, and at no other.
    Kind.prototype.validate.call(observed(model, '', read));
  } catch (error) {
    return [String(error)];
  }
  return fieldsOf(object, '')
    .filter((path) => !read.has(path))
    .map((path) => `unknown field ${path}`);
}

function observed<T extends object>(target: T, path: string, read: Set<string>): T {
  return new Proxy(target, {
    get(object, key, receiver): unknown {
      const value: unknown = Reflect.get(object, key, receiver);
      if (typeof key === 'symbol' || !Object.hasOwn(object, key)) return value;
      const at = path === '' ? key : `${path}.${key}`;
      read.add(at);
      return typeof value === 'object' && value !== null ? observed(value, at, read) : value;
    },
  });
}

/** Paths of all fields, also those inside others. */
function fieldsOf(value: unknown, path: string): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inside]) => {
    const at = path === '' ? key : `${path}.${key}`;
    return [at, ...fieldsOf(inside, at)];
  });
}
