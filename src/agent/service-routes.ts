/** `GET /v1/services`: the frontends as this node has them, and whether the kernel has them so. */
import { CniCode, CniError } from '../cni/error.ts';
import type { FrontendInForce } from '../datapath/service-keeper.ts';
import type { Frontend } from '../service/frontend.ts';
import { type FrontendView, viewFrontend } from '../service/frontend-view.ts';
import { frontendFlags } from '../service/tables.ts';
import type { LocalServer } from './local-server.ts';
import type { ServiceState } from './service-step.ts';

export interface ServiceRouteParts {
  readonly node: string;
  /** Those of a Service `namespace/name`, or all. */
  readonly frontends: (service?: string) => Promise<readonly Frontend[]>;
  /** Whether packets to it are handled just so. */
  readonly isInForce: (frontend: FrontendInForce) => boolean;
  readonly state: () => Pick<ServiceState, 'revision' | 'failure'>;
}

/** Stable names, additions only. */
export interface ServicesAnswer {
  readonly node: string;
  /** Number of the resolution in force. */
  readonly revision: number;
  /** Why the newest Services are not in force; empty when they are. */
  readonly failure: string;
  readonly frontends: readonly AgentFrontendView[];
}

export interface AgentFrontendView extends FrontendView {
  readonly inForce: boolean;
}

/** Query `service`: those of one Service, `namespace/name`. */
export function addServiceRoutes(server: LocalServer, { node, frontends, isInForce, state }: ServiceRouteParts): void {
  server.route('GET', '/v1/services', async (request) => {
    const service = request.query.get('service') ?? undefined;
    if (service !== undefined && !/^[^/]+\/[^/]+$/.test(service)) {
      throw new CniError(CniCode.invalidConfig, 'service is not of the form namespace/name', JSON.stringify(service));
    }
    const list = await frontends(service);
    const { revision, failure } = state();
    const answer: ServicesAnswer = {
      node,
      revision,
      failure,
      frontends: list.map((frontend) => ({
        ...viewFrontend(frontend),
        inForce: isInForce({ ...frontend, flags: frontendFlags(frontend) }),
      })),
    };
    request.answer({ status: 200, contentType: 'application/json', body: `${JSON.stringify(answer)}\n` });
  });
}
