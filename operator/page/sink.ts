import type { ServerResponse } from 'node:http';
import type { Sink } from './streams.ts';

/** Milliseconds for which a reader may take nothing. */
const PATIENCE = 30_000;

/** A response as a stream writes to it. */
export function responseSink(response: ServerResponse): Sink {
  return {
    write: (text) => response.write(text),
    drained: () =>
      new Promise((resolve, reject) => {
        const done = (error?: Error) => {
          clearTimeout(timer);
          response.off('drain', done).off('close', closed);
          if (error) reject(error);
          else resolve();
        };
        const closed = () => done(new Error('the reader has gone'));
        const timer = setTimeout(() => done(new Error(`the reader took nothing for ${PATIENCE / 1000} s`)), PATIENCE);
        response.on('drain', done).on('close', closed);
        if (response.destroyed) closed();
      }),
    end: () => void response.end(),
  };
}
