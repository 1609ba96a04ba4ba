/** Every name that the operator shares with pods, people and other tools. */

export const INJECT = 'tracing.acme/inject';
/** On a pod template: the value of `tracing.acme/inject` that was copied there from the workload's own metadata. */
export const INJECT_FROM_WORKLOAD = 'tracing.acme/inject-from-workload';
/** What NODE_OPTIONS the image sets, for the owner to state: nobody else can see it at admission. */
export const IMAGE_NODE_OPTIONS = 'tracing.acme/image-node-options';
/** Containers that get the agent, by name, with commas between. */
export const CONTAINERS = 'tracing.acme/containers';
/** The TracingPolicy of the pod's own namespace that is to apply, by name. */
export const POLICY = 'tracing.acme/policy';
/** On a policy: what it says otherwise for some workloads, for a while, as JSON (crds/override.ts). */
export const OVERRIDE = 'tracing.acme/override';

export const INJECTED_LABEL = 'tracing.acme/injected';
export const POLICY_KEY = 'tracing.acme/policy-key';
export const POLICY_REVISION = 'tracing.acme/policy-revision';
/** Field manager of what the operator delivers: policies in a namespace's ConfigMap, and to pods which one is in force. */
export const POLICY_FIELD_MANAGER = 'tracing-operator-policy';
/** On a pod: when it was told of its policy once more, as its agents did not report it. */
export const POLICY_TOLD_AGAIN = 'tracing.acme/policy-told-again';
export const POLICY_DOCUMENT = 'tracing.acme/policy-document';
/** Where the pod's agents report to, as it was at admission: `{url, ca}` in JSON. */
export const OPERATOR = 'tracing.acme/operator';
export const STATUS = 'tracing.acme/status';
/** On a pod: which agent it was given, as `IMAGE PULLPOLICY`. Others may rewrite the container; this stays. */
export const AGENT = 'tracing.acme/agent';
/** On the namespace's ConfigMap: agents that keep pods from starting there, as JSON. Written by the operator that leads. */
export const AGENT_OUTAGES = 'tracing.acme/agent-outages';

/** On a pod template: when the operator restarted its workload, because of a policy's `rollout`. ISO 8601. */
export const RESTARTED_AT = 'tracing.acme/restarted-at';
/** On the namespace's ConfigMap: restarts that go on or came to nothing, as JSON. Written by the operator that leads. */
export const RESTARTS = 'tracing.acme/restarts';
/** On an object of others: which policy had the operator add to it, and what. */
export const ADDED_BY = 'tracing.acme/added-by';

export const POLICY_CONFIG_MAP = 'tracing-acme-policies';
/** Key of that ConfigMap which tells agents where to report now: no policy's key is like it. */
export const OPERATOR_KEY = 'operator.json';
/** Of each namespace, for people: what agents report. No pod mounts it. */
export const REPORTS_CONFIG_MAP = 'tracing-acme-reports';
/** Audience of the token with which a pod's agent reports to the operator. */
export const REPORT_AUDIENCE = 'tracing-operator';
/** Value of the policy-key annotation when no policy applies. Never a ConfigMap key: those end in `.json`. */
export const NO_POLICY = 'none';

export const AGENT_VOLUME = 'tracing-acme-agent';
export const AGENT_DIR = '/var/run/tracing.acme/agent';
export const AGENT_ENTRY = `${AGENT_DIR}/register.cjs`;
export const POLICY_VOLUME = 'tracing-acme-policy';
export const POLICY_DIR = '/var/run/tracing.acme/policy';
export const CREDENTIALS_VOLUME = 'tracing-acme-credentials';
/** Only in pods for which a policy names a Secret or ConfigMap. */
export const CREDENTIALS_DIR = '/var/run/tracing.acme/credentials';
export const INIT_CONTAINER = 'tracing-acme-agent';
/** What that container runs. Said, so that an image which is no agent does not end well without having copied one. */
export const INIT_COMMAND = '/bin/copy-agent';

/** Label that a namespace carries to opt all of its pods in. */
export const NAMESPACE_LABEL = INJECT;
