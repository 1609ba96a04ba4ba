import { describe, expect, it } from '@jest/globals';
import { comparedVersion } from './api-global.ts';

describe('comparedVersion: the version of a copy of the API, from its code', () => {
  it.each([
    ['written out', 'if (api.version !== "1.10.0") {', '', '1.10.0'],
    ['in a variable', 'if (api.version !== VERSION) {', 'var VERSION = "1.9.0";', '1.9.0'],
    ['of a bundle', 'if (api.version !== VERSION2) {', 'var VERSION = "3.0.0"; var VERSION2 = "1.4.1";', '1.4.1'],
    ['minified', 'if(n.version!==$e)return', 'var $e="1.9.0",x', '1.9.0'],
    ['exported', 'if (api.version !== version_1.VERSION) {', "exports.VERSION = '1.0.4';", '1.0.4'],
    ['not there', 'return api;', 'var VERSION = "1.9.0";', undefined],
    ['not assigned', 'if (api.version !== VERSION) {', '', undefined],
  ])('%s', (_name, rest, text, version) => {
    expect(comparedVersion(rest, `${text}\n${rest}`)).toBe(version);
  });
});
