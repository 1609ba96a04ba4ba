import { readFileSync } from 'node:fs';
import type { Attributes } from '@opentelemetry/api';
import { pairs, text, type Environment } from './environment.ts';
import type { Settings } from './settings.ts';

/** Name and version of this distribution, as in `telemetry.distro.*`. */
export interface Distribution {
  name: string;
  version: string;
  sdkVersion: string;
  /** Asked for late: loading node:os costs a process that never traces. */
  hostname: () => string;
}

/**
 * Who the spans are from, weakest first: cheap local facts, the policy's attributes, what the injector knows of the pod,
 * the pod's labels where the policy wants them, OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME of the process's owner.
 * Nothing here calls a network.
 */
export function resourceAttributes(
  env: Environment,
  { resource, useLabels }: Pick<Settings, 'resource' | 'useLabels'>,
  distribution: Distribution,
): Attributes {
  const attributes: Attributes = {
    ...localFacts(distribution),
    ...resource,
    ...pairs(env['TRACING_ACME_RESOURCE']),
    ...(useLabels && pairs(env['TRACING_ACME_RESOURCE_LABELS'])),
    ...pairs(env['OTEL_RESOURCE_ATTRIBUTES']),
  };
  const name = text(env, 'OTEL_SERVICE_NAME');
  if (name !== undefined) attributes['service.name'] = name;
  return attributes;
}

function localFacts(distribution: Distribution): Attributes {
  const facts: Attributes = {
    'service.name': `unknown_service:${process.argv0.slice(process.argv0.lastIndexOf('/') + 1)}`,
    'process.pid': process.pid,
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
    'process.executable.path': process.execPath,
    'host.name': distribution.hostname(),
    'telemetry.sdk.name': 'opentelemetry',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': distribution.sdkVersion,
    'telemetry.distro.name': distribution.name,
    'telemetry.distro.version': distribution.version,
  };
  const container = containerId();
  if (container !== undefined) facts['container.id'] = container;
  return facts;
}

/** The container's id as the kernel shows it: cgroup v1 in the cgroup path, v2 in the mounts of /etc/hostname. */
export function containerId(
  read: (file: string) => string = (file) => readFileSync(file, 'latin1'),
): string | undefined {
  for (const [file, pattern] of [
    ['/proc/self/cgroup', /([0-9a-f]{64})(?:\.scope)?$/m],
    ['/proc/self/mountinfo', /\/(?:containers|overlay-containers)\/([0-9a-f]{64})\/.*\/etc\/hostname/],
  ] as const) {
    try {
      const match = pattern.exec(read(file));
      if (match?.[1]) return match[1];
    } catch {
      // not Linux, or /proc is closed to us
    }
  }
  return undefined;
}
