const base = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/examples/.*/node_modules/'],
};

// unit: pure code, no network but loopback, no cluster. services: local processes: the shop on real servers, services behind real
// proxies, the coverage page in a browser, the webhook under bad requests. The others need a cluster and run inside its network
// namespace (`node test/run.ts --only integration,e2e`): integration talks to the API server, e2e runs pods, alone (of the stage e2e) does
// so and disturbs the operator, and servers (of that stage too) as well, with servers that take long to build.
export default {
  // No test is about speed: on a busy machine five seconds are soon over.
  testTimeout: 60_000,
  // Left out, one processor is for Jest alone: half of a machine with two.
  maxWorkers: '100%',
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: ['<rootDir>/{charts,crds,injector,webhook,operator,cli,release,test}/**/*.test.ts'],
      testPathIgnorePatterns: [
        '/node_modules/',
        '<rootDir>/test/agent/',
        '<rootDir>/test/edge/',
        '<rootDir>/test/page/',
        '<rootDir>/test/shop/',
        '<rootDir>/test/chart/',
        '<rootDir>/test/release/',
        '<rootDir>/test/webhook/',
        '<rootDir>/test/integration/',
        '<rootDir>/test/e2e/',
      ],
    },
    {
      ...base,
      displayName: 'agent',
      testMatch: ['<rootDir>/test/agent/**/*.test.ts'],
      globalSetup: '<rootDir>/test/agent/setup.ts',
    },
    {
      ...base,
      displayName: 'services',
      testMatch: ['<rootDir>/test/{chart,edge,page,release,shop,webhook}/**/*.test.ts'],
      globalSetup: '<rootDir>/test/agent/setup.ts',
    },
    { ...base, displayName: 'integration', testMatch: ['<rootDir>/test/integration/**/*.test.ts'] },
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/e2e/*.test.ts'],
      globalSetup: '<rootDir>/test/e2e/setup.ts',
    },
    { ...base, displayName: 'alone', testMatch: ['<rootDir>/test/e2e/alone/*.test.ts'] },
    { ...base, displayName: 'servers', testMatch: ['<rootDir>/test/e2e/servers/*.test.ts'] },
  ],
};
