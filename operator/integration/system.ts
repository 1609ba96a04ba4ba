import type { IntegrationState, SystemName } from '../../crds/integration.ts';
import type { PolicyDocument } from '../../injector/policy-document.ts';
import type { Policy } from '../../injector/resolve.ts';
import type { KubeObject } from '../kube/reflector.ts';
import type { NamespaceMeta, PodMeta } from '../policy/cluster-view.ts';

/** A collection that a system's plan goes by, kept current while the API server serves it. */
export interface Watched {
  /** API group; '' for the core one. */
  group: string;
  /** Newest first; the first that is served is used. */
  versions: readonly string[];
  /** Plural, as in paths. */
  resource: string;
  /** Of all namespaces only what has this name: a right to that alone is enough. */
  name?: string;
  /** Served by every API server, without a CustomResourceDefinition. So is the core group. */
  builtIn?: true;
  /** Its objects are the namespaces themselves: each is one of the namespace that it is. */
  isNamespace?: true;
  /** What every API server serves is watched while a CustomResourceDefinition of one of these API groups is there. */
  whileDefined?: readonly string[];
  /** Plans of any namespace go by whether an object of another is there. What it says counts for its own namespace alone. */
  forAll?: true;
  /** Drops what the plan does not read. */
  prune?: (object: KubeObject) => KubeObject;
}

/** What is there, as far as systems asked for it. */
export interface Seen {
  /** The version in which a watched collection is served; undefined where it is not. */
  version(watched: Watched): string | undefined;
  /** Its objects: of one namespace, or all of them. */
  list(watched: Watched, namespace?: string): KubeObject[];
}

export interface PlanInput {
  namespace: NamespaceMeta;
  /** The policy that counts for the namespace as a whole. */
  policy: Policy;
  document: PolicyDocument;
  /** Pods of the namespace that run. */
  pods: PodMeta[];
  seen: Seen;
}

/** An object that is to be in the namespace, as it is to be applied. Label, owner and namespace are added to it. */
export interface DesiredObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [field: string]: unknown;
}

/** A collection of others' objects that are added to. */
export interface AddedTo extends Watched {
  kind: string;
}

/** What is to be in an object of somebody else's besides what is there. */
export interface DesiredAddition {
  /** Its collection. */
  to: AddedTo;
  name: string;
  annotations?: Record<string, string>;
  /** Of a ConfigMap. */
  data?: Record<string, string>;
}

/** How it stands with a system, for people. */
export interface Standing {
  state: IntegrationState;
  message: string;
}

export interface Plan extends Standing {
  /** Everything of ours that is to be there; of these kinds, what else is ours goes. */
  objects: DesiredObject[];
  /** Everything that is to be added to others' objects; of the collections that the system adds to, what else we added goes. */
  additions?: DesiredAddition[];
}

/**
 * A system beside the app that the policy of a namespace configures. All of it is pure but for what the controller does
 * with it: a policy and what is seen in, objects and a line for the status out.
 */
export interface System {
  readonly name: SystemName;
  /** All that `plan` reads of the cluster. */
  readonly watched: readonly Watched[];
  /** Which of these it makes objects of. */
  readonly owned: readonly Watched[];
  /** Which of these are others', and are added to. */
  readonly added?: readonly AddedTo[];
  /** Why the operator may not look at it or touch it, in words for the status. */
  readonly forbidden?: string;
  /** Why it cannot be there, in words for the status; undefined where it is installed. */
  absent(seen: Seen): string | undefined;
  /** What it once added to a namespace and may not take away any more, with what to do, in words for the status. */
  left?(namespace: NamespaceMeta): string | undefined;
  plan(input: PlanInput): Plan;
}

/** The share of traces that begin under a policy, 0 to 1: none where nothing is sent. */
export function ratioOf({ spec }: PolicyDocument): number {
  return spec.exporters.length === 0 || spec.signals?.traces === false ? 0 : spec.sampling.ratio;
}

/** A plan to set nothing. */
export function nothing(state: Plan['state'], message: string): Plan {
  return { state, message, objects: [] };
}
