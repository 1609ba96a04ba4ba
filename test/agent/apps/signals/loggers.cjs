// A logger of each library as apps make them: made once, at the start, its lines on stdout.
const pino = (pino) => {
  const logger = pino({ redact: ['card.number'] });
  return {
    say: (text, fields) => logger.child({ part: 'till' }).warn(fields, text),
    fail: (error) => logger.error(error),
    hide: (text) => logger.debug(text),
  };
};
const winston3 = (winston) => {
  const redact = winston.format((info) => (info.card ? { ...info, card: { number: '[Redacted]' } } : info));
  const logger = winston.createLogger({
    level: 'info',
    format: winston.format.combine(redact(), winston.format.json()),
    transports: [new winston.transports.Console()],
  });
  return {
    say: (text, fields) => logger.warn(text, { part: 'till', ...fields }),
    fail: (error) => logger.log({ level: 'error', message: error.message, stack: error.stack, type: error.name }),
    hide: (text) => logger.debug(text),
  };
};
const winston2 = (winston) => {
  const logger = new winston.Logger({ transports: [new winston.transports.Console({ json: true, stringify: true })] });
  return {
    say: (text, fields) => logger.warn(text, { part: 'till', ...fields }),
    fail: (error) => logger.error(error.message),
    hide: (text) => logger.debug(text),
  };
};
const bunyan = (bunyan) => {
  const card = () => ({ number: '[Redacted]' });
  const logger = bunyan.createLogger({ name: 'shop', serializers: { err: bunyan.stdSerializers.err, card } });
  return {
    say: (text, fields) => logger.child({ part: 'till' }).warn(fields, text),
    fail: (error) => logger.error(error),
    hide: (text) => logger.debug(text),
  };
};

module.exports = (name, library) => {
  return { pino, bunyan, winston: library.createLogger ? winston3 : winston2 }[name](library);
};
