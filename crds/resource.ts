import * as z from 'zod';
import { cel } from './rules.ts';

const nameMessage = 'an attribute name has no spaces, commas or equals signs, e.g. deployment.environment.name';
const attributeName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[^\s,=]+$/, nameMessage);

/** What is known of every pod, and wins: a policy that says it would say it in vain. */
export const OF_THE_POD = [
  ...['service.name', 'service.namespace', 'service.instance.id'],
  ...['k8s.namespace.name', 'k8s.pod.name', 'k8s.pod.uid', 'k8s.container.name', 'k8s.node.name'],
];

const ofThePodMessage =
  'service.name, service.namespace, service.instance.id and names of the pod, container, node and namespace come from each pod and win over a policy; to set one, annotate the pod template, e.g. resource.opentelemetry.io/service.name: order';

export const resource = z
  .object({
    attributes: z
      .record(attributeName, z.string().max(1024))
      .refine((attributes) => !OF_THE_POD.some((name) => name in attributes), ofThePodMessage)
      .meta({
        maxProperties: 32,
        description:
          'Attributes added to every span of these pods, e.g. deployment.environment.name. The weakest of all: what is known of a pod, its annotations resource.opentelemetry.io/NAME, and OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME of its container win.',
        ...cel(
          { rule: "self.all(name, name.matches('^[^\\\\s,=]{1,128}$'))", message: nameMessage },
          {
            rule: `!self.exists(name, name in [${OF_THE_POD.map((name) => `'${name}'`).join(', ')}])`,
            message: ofThePodMessage,
          },
        ),
      })
      .optional(),
    useLabels: z
      .boolean()
      .describe(
        "Whether labels of a pod name its service: app.kubernetes.io/instance, or else app.kubernetes.io/name, as service.name and app.kubernetes.io/version as service.version. They win over the workload's name and the image's tag, annotations resource.opentelemetry.io/NAME win over them. Left out: false.",
      )
      .optional(),
  })
  .describe('What describes the process that makes the spans.');
