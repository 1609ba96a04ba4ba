import { describe, expect, it } from '@jest/globals';
import { ServerEvents } from './server-events.ts';

describe('server-sent events', () => {
  it('are taken out of pieces, wherever those were cut', () => {
    const text = 'event: a\ndata: {"x":"y: \\n"}\n\n: alive\n\nevent: b\ndata: {}\n\nevent: c';
    for (let size = 1; size <= text.length; size++) {
      const events = new ServerEvents();
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
        text.slice(i * size, (i + 1) * size),
      );
      expect(pieces.flatMap((piece) => events.take(piece))).toEqual([
        { name: 'a', data: '{"x":"y: \\n"}' },
        { name: 'b', data: '{}' },
      ]);
    }
  });
});
