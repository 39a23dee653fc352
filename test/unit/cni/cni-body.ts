/** Requests as the launcher sends them. */

export const CONFIG = { cniVersion: '1.0.0', name: 'sluice', type: 'sluice-cni' };

export const ADD_ENVIRONMENT = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c0ffee',
  CNI_NETNS: '/run/netns/pod',
  CNI_IFNAME: 'eth0',
  CNI_PATH: '/opt/cni/bin',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;K8S_POD_UID=u-1',
};

export const DEL_ENVIRONMENT: Readonly<Record<string, string>> = { ...ADD_ENVIRONMENT, CNI_COMMAND: 'DEL' };

/** @param config an object, or the bytes of stdin as text. */
export function encodeBody(environment: Readonly<Record<string, string>>, config: object | string = CONFIG): Buffer {
  const entries = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`);
  const text = typeof config === 'string' ? config : JSON.stringify(config);
  return Buffer.from(`${entries.join('')}\0${text}`);
}
