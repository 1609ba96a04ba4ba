// What the two sides of gRPC agree on: a call of each kind.
const text = {
  requestSerialize: Buffer.from,
  requestDeserialize: String,
  responseSerialize: Buffer.from,
  responseDeserialize: String,
};
const method = (name, requestStream, responseStream) => ({
  path: `/shop.Payment/${name}`,
  requestStream,
  responseStream,
  ...text,
});

module.exports = {
  charge: method('Charge', false, false),
  audit: method('Audit', false, false),
  refuse: method('Refuse', false, false),
  fail: method('Fail', false, false),
  break: method('Break', false, false),
  wait: method('Wait', false, false),
  missing: method('Missing', false, false),
  watch: method('Watch', false, true),
  collect: method('Collect', true, false),
  chat: method('Chat', true, true),
};
