import { expect, it } from '@jest/globals';
import { didYouMean } from './suggestion.ts';

it.each([
  ['explian', ['explain', 'plan', 'status'], ' Did you mean explain?'],
  ['gprc', ['http/protobuf', 'http/json', 'grpc'], ' Did you mean grpc?'],
  ['b4', ['b3', 'b3multi'], ' Did you mean b3?'],
  ['ration', ['ratio', 'ration-of-cpu'], ' Did you mean ratio?'],
  ['GRPC', ['http/protobuf', 'http/json', 'grpc'], ' Did you mean grpc?'],
  ['http', ['http/protobuf', 'http/json', 'grpc'], ' Did you mean http/protobuf or http/json?'],
  ['w3c', ['tracecontext', 'baggage', 'b3'], ' Did you mean tracecontext?'],
  ['postgres', ['express', 'pg'], ' Did you mean pg?'],
  ['postgres', ['express'], ''],
  ['nonsense', ['explain', 'plan'], ''],
  ['--odd', ['explain'], ''],
  ['a b', ['explain'], ''],
  ['help', ['explain'], ''],
  ['', ['explain'], ''],
])('of %j among %j says%j', (word, candidates, expected) => expect(didYouMean(word, candidates)).toBe(expected));
