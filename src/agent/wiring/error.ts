/** Reasons to refuse to wire a pod that its runtime has to hear about. */

export type WiringErrorCode =
  /** CNI-21: the pod has an interface of that name. */
  | 'WIRING_POD_INTERFACE_EXISTS'
  /** The attachment is wired already: its host end is there. */
  | 'WIRING_HOST_INTERFACE_EXISTS'
  /** CNI-14: the namespace is the node's own. */
  | 'WIRING_OWN_NAMESPACE'
  /** The interface is not one of this instance. */
  | 'WIRING_FOREIGN_INTERFACE';

/** Nothing was changed. */
export class WiringError extends Error {
  override readonly name = 'WiringError';
  readonly code: WiringErrorCode;

  constructor(code: WiringErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
