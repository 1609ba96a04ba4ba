import { describe, expect, it } from '@jest/globals';
import { containerId, resourceAttributes } from './resource.ts';

const distribution = { name: 'tracing-operator', version: '0.1.0', sdkVersion: '3.1.0', hostname: () => 'pod-1' };
const nothing = { resource: {}, useLabels: false };

describe('resourceAttributes', () => {
  it('takes the strongest of: local facts, policy, injector, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME', () => {
    const resource = { 'service.name': 'policy', a: 'policy', b: 'policy', c: 'policy', 'host.name': 'policy' };
    const policy = { resource, useLabels: false };
    const env = {
      TRACING_ACME_RESOURCE: 'service.name=injector,b=injector,c=injector',
      TRACING_ACME_RESOURCE_LABELS: 'service.name=labels,service.version=labels',
    };
    const owner = { ...env, OTEL_RESOURCE_ATTRIBUTES: 'service.name=owner,c=owner' };
    expect(resourceAttributes({}, nothing, distribution)).toMatchObject({
      'service.name': 'unknown_service:node',
      'process.pid': process.pid,
      'telemetry.distro.name': 'tracing-operator',
      'telemetry.distro.version': '0.1.0',
    });
    expect(resourceAttributes({}, policy, distribution)).toMatchObject({
      'service.name': 'policy',
      'host.name': 'policy',
    });
    expect(resourceAttributes(env, policy, distribution)).toMatchObject({
      'service.name': 'injector',
      a: 'policy',
      b: 'injector',
    });
    expect(resourceAttributes(env, policy, distribution)).not.toHaveProperty('service.version');
    expect(resourceAttributes(env, { resource, useLabels: true }, distribution)).toMatchObject({
      'service.name': 'labels',
      'service.version': 'labels',
      b: 'injector',
    });
    expect(resourceAttributes(owner, { resource, useLabels: true }, distribution)).toMatchObject({
      'service.name': 'owner',
      'service.version': 'labels',
    });
    expect(resourceAttributes(owner, policy, distribution)).toMatchObject({
      'service.name': 'owner',
      b: 'injector',
      c: 'owner',
    });
    expect(resourceAttributes({ ...owner, OTEL_SERVICE_NAME: 'name' }, policy, distribution)).toMatchObject({
      'service.name': 'name',
      c: 'owner',
    });
  });

  it('decodes percent-encoded values and survives ones that are not', () => {
    const attributes = resourceAttributes(
      { OTEL_RESOURCE_ATTRIBUTES: 'a=x%20y%2Cz,b=100%,=c,d' },
      nothing,
      distribution,
    );
    expect(attributes).toMatchObject({ a: 'x y,z', b: '100%' });
    expect(attributes).not.toHaveProperty('d');
  });
});

describe('containerId', () => {
  const id = 'a'.repeat(64);
  it('reads cgroup v1 and, where that says nothing, the mounts of v2', () => {
    expect(containerId(() => `12:pids:/kubepods/burstable/pod1/${id}\n`)).toBe(id);
    expect(containerId(() => `0::/kubepods.slice/cri-containerd-${id}.scope\n`)).toBe(id);
    const mounts = `1 2 8:1 /var/lib/docker/containers/${id}/hostname /etc/hostname rw\n`;
    expect(containerId((file) => (file.endsWith('cgroup') ? '0::/\n' : mounts))).toBe(id);
  });
  it('is undefined outside a container or where /proc is closed', () => {
    expect(containerId(() => '0::/\n')).toBeUndefined();
    expect(
      containerId(() => {
        throw new Error('EACCES');
      }),
    ).toBeUndefined();
  });
});
