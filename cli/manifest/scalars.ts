import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions, ToStringOptions } from 'yaml';
import { Scalar } from 'yaml';

/**
 * Plain words as kubectl reads them, which is neither YAML 1.1 nor 1.2: `0644` is a file mode of 420, `on` and `y` are true,
 * `1_000` is a thousand, but `1:30` and dates are text. Seen by `kubectl annotate --local`; its parser is
 * https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go
 */
const TRUE = ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'];
const FALSE = ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'];

const nothing: ScalarTag = {
  tag: 'tag:yaml.org,2002:null',
  default: true,
  identify: (value) => value === null,
  createNode: () => new Scalar(null),
  test: /^(~|null|Null|NULL)?$/,
  resolve: () => null,
  stringify: () => 'null',
};

const boolean: ScalarTag = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  identify: (value) => typeof value === 'boolean',
  test: new RegExp(`^(${[...TRUE, ...FALSE].join('|')})$`),
  resolve: (text) => TRUE.includes(text),
  stringify: ({ value }) => String(value),
};

/** Whatever may be a number; `resolve` looks closer, and leaves text what is none. */
const NUMERIC = /^[-+]?([0-9.][-+0-9A-Fa-f_xXoO.]*|\.(inf|Inf|INF|nan|NaN|NAN))$/;
const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const INTEGER = /^([-+]?)(?:(0[xX][0-9a-fA-F]+|0[bB][01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/;

const float: ScalarTag = {
  tag: 'tag:yaml.org,2002:float',
  default: true,
  identify: (value) => typeof value === 'number' || typeof value === 'bigint',
  test: NUMERIC,
  resolve: number,
  stringify: ({ value }) => String(value),
};

/** Only for what says `!!int` itself. */
const integer: ScalarTag = { ...float, tag: 'tag:yaml.org,2002:int', default: false, identify: () => false };

const binary: ScalarTag = {
  tag: 'tag:yaml.org,2002:binary',
  default: false,
  identify: () => false,
  resolve: (text) => Buffer.from(text, 'base64').toString(),
};

function number(text: string, onError: (message: string) => void): unknown {
  if (/^[-+]?\.[in]/i.test(text)) onError(`${text} is no number that JSON knows`);
  const digits = text.replaceAll('_', '');
  const [, sign, prefixed, octal, decimal] = INTEGER.exec(digits) ?? [];
  const whole = prefixed ?? (octal === undefined ? decimal : `0o${octal}`);
  if (whole !== undefined) {
    const value = BigInt(whole) * (sign === '-' ? -1n : 1n);
    // Beyond what a number holds exactly, nothing may be lost either.
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  const value = FLOAT.test(digits) ? Number(digits) : NaN;
  return Number.isFinite(value) ? value : text;
}

/** How text is read, and how what we add to it is written. */
export const OPTIONS = {
  version: '1.1',
  schema: 'failsafe',
  customTags: [nothing, boolean, float, integer, binary],
  merge: true,
  // Quoted, too, is what other readers of YAML would take for something else than text.
  compat: 'yaml-1.1',
  logLevel: 'error',
  lineWidth: 0,
  aliasDuplicateObjects: false,
} as const satisfies ParseOptions &
  DocumentOptions &
  SchemaOptions &
  ToStringOptions & { aliasDuplicateObjects: boolean };
