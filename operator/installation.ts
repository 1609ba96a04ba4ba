import type { Logger } from 'pino';
import type { KubeClient } from './kube/client.ts';
import type { KubeObject } from './kube/reflector.ts';
import { Reflector } from './kube/reflector.ts';
import type { Part } from './manager.ts';

/** As the API server knows it. */
export interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
}

export const CLUSTER_ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';

/** A ClusterRole of the chart as the owner of something. */
export function ownedBy(role: { metadata: { name: string; uid: string } }): OwnerReference {
  const { name, uid } = role.metadata;
  return { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', name, uid };
}

/** Whether an object belongs to these already. */
export function belongsTo(
  metadata: { ownerReferences?: readonly { uid?: string }[] | undefined },
  owners: readonly OwnerReference[],
): boolean {
  return owners.every(({ uid }) => metadata.ownerReferences?.some((each) => each.uid === uid));
}

/** An object's metadata as it is to be written, so that it belongs to these. */
export function givenTo<Metadata extends { ownerReferences?: readonly { uid?: string }[] | undefined }>(
  metadata: Metadata,
  owners: readonly OwnerReference[],
): Metadata {
  return belongsTo(metadata, owners) ? metadata : { ...metadata, ownerReferences: owners };
}

interface Role extends KubeObject {
  metadata: KubeObject['metadata'] & { uid: string };
}

/**
 * The chart's ClusterRole, which is there for as long as the chart is installed, and is no namespace's: what the operator
 * makes for that time belongs to it, in whichever namespace, so that the garbage collector takes it along.
 */
export class Installation implements Part {
  readonly name = 'installation';
  readonly #roles: Reflector<Role>;
  readonly #role: string;

  constructor(client: KubeClient, role: string, logger: Logger) {
    this.#role = role;
    this.#roles = new Reflector({
      client,
      path: CLUSTER_ROLES,
      // With this the API server lets us list and watch under a rule that names this one object.
      fieldSelector: `metadata.name=${role}`,
      metadataOnly: true,
      onChange: () => undefined,
      logger,
    });
  }

  /** Who owns what the operator makes: nobody where there is no such ClusterRole. */
  readonly owners = (): OwnerReference[] => {
    const role = this.#roles.get(this.#role);
    return role ? [ownedBy(role)] : [];
  };

  async start(): Promise<void> {
    this.#roles.start();
    await this.#roles.synced;
  }

  waitingFor(): string | undefined {
    return this.#roles.hasSynced ? undefined : this.#roles.path;
  }

  stop(): Promise<void> {
    return this.#roles.stop();
  }
}
