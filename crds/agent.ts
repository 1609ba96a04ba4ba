import * as z from 'zod';
import { cel } from './rules.ts';

const imageMessage = 'an image is [REGISTRY/]NAME[:TAG][@DIGEST], e.g. registry.example.com/tracing-acme/agent:0.1.0';
const imagePattern = /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/;
const image = z.string().min(1).max(512).regex(imagePattern, imageMessage);
const imageRule = cel({ rule: `self.matches(r'''${imagePattern.source}''')`, message: imageMessage });

const canary = z
  .object({
    image: image
      .describe(
        'Image of the new agent. Once it has proved itself it becomes agent.image, and canary is taken out of the policy.',
      )
      .meta(imageRule),
    percent: z
      .int()
      .min(0)
      .max(100)
      .describe(
        'Share of new pods that get the new agent, in percent. 0 gives it to none; pods that have it keep it. Pods that are there already are never restarted for it.',
      ),
    haltOnRestarts: z
      .int()
      .min(1)
      .max(1000)
      .describe(
        'How many restarts of pods with the new agent are too many: more than twice as often as of pods with the other agent in the same workload is what counts, and each start that the new agent keeps from happening. Where no pod of a workload has the other agent it counts once at most. Then all new pods get the other agent, and the condition CanaryHalted says why, until somebody changes the policy. Left out: 3.',
      )
      .optional(),
  })
  .describe(
    'A new agent that a share of new pods gets first. All others get agent.image, or where that is left out the agent of the chart.',
  );

const sameMessage =
  'the canary must be another image than agent.image, e.g. {image: registry.example.com/agent:0.1.0, canary: {image: registry.example.com/agent:0.2.0, percent: 10}}';
const nothingMessage = 'agent needs an image, or a canary, e.g. {image: registry.example.com/tracing-acme/agent:0.1.0}';

/** What is code comes from the chart or from whoever rules the cluster, never from a TracingPolicy. */
export const agent = z
  .object({
    image: image
      .describe(
        'Image that the agent is copied from, for pods that are created from now on in the selected namespaces. Each of them must be able to pull it: while it cannot, pods are started without the agent, and the status says AgentUnavailable. Left out: that of the chart.',
      )
      .meta(imageRule)
      .optional(),
    imagePullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .describe("When the kubelet pulls these images. Left out: as the chart's agent.image.pullPolicy says.")
      .optional(),
    canary: canary.optional(),
  })
  .refine((agent) => agent.image !== undefined || agent.canary !== undefined, nothingMessage)
  .refine((agent) => agent.canary === undefined || agent.canary.image !== agent.image, sameMessage)
  .describe(
    "The agent that new pods get instead of the chart's. It counts for every pod that the policy selects, also where a TracingPolicy of the namespace decides the rest; of several cluster policies the one that comes first decides.",
  )
  .meta({
    live: false,
    ...cel(
      { rule: 'has(self.image) || has(self.canary)', message: nothingMessage },
      { rule: '!has(self.image) || !has(self.canary) || self.image != self.canary.image', message: sameMessage },
    ),
  });

export type AgentSpec = z.infer<typeof agent>;
