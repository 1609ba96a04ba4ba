import { readSync, writeSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';

/** A batch that has to leave while nothing asynchronous happens any more. */
export interface LastBatch {
  url: URL;
  grpc: boolean;
  path: string;
  /** All but what HTTP itself asks for. */
  headers: Record<string, string>;
  body: Uint8Array;
  /** Where the host of `url` is. */
  address: string | undefined;
  /** An established TLS connection: one cannot be made any more. */
  secure: Socket | undefined;
  /** On the clock of performance.now(). */
  deadline: number;
}

const FIRST_WINDOW = 65_535;
const FRAME = 16_384;
const DATA = 0;
const HEADERS = 1;
const RESET = 3;
const SETTINGS = 4;
const GO_AWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const END_HEADERS = 4;
const INITIAL_WINDOW_SIZE = 4;
// Above all that a connection in use has had: numbers may be left out.
let nextStream = 0x7fff0001;

/**
 * Sends a batch and waits for the receiver's first word, all without the event loop: a socket's file descriptor can be
 * written and read as a file. Never throws; what is not done by the deadline is given up.
 */
export function sendLast(batch: LastBatch): void {
  const { url, secure, address, grpc, deadline } = batch;
  const isTls = url.protocol === 'https:';
  let socket: Socket | undefined;
  try {
    if (isTls) {
      if (secure === undefined) return;
      const line = new Line(secure, deadline);
      const stream = (nextStream += 2);
      // TLS writes what the kernel takes at once; its answer cannot be read, but that there is one can be seen.
      secure.write(grpc ? Buffer.concat([head(batch, stream), ...dataFrames(batch.body, stream)]) : request(batch));
      line.read();
      return;
    }
    if (address === undefined) return;
    // A name with a look-up of its own is connected to at once, an address in the next tick, which does not come.
    socket = connect({
      host: 'receiver.invalid',
      port: Number(url.port || 80),
      autoSelectFamily: false,
      lookup: (_host, _options, done) => done(null, address, isIP(address)),
    });
    socket.on('error', () => undefined);
    const line = new Line(socket, deadline);
    if (grpc) call(line, batch);
    else if (line.write(request(batch))) line.read();
  } catch {
    // Nobody is left to be told.
  } finally {
    socket?.destroy();
  }
}

/** A socket as a file. */
class Line {
  private readonly fd: number;
  private readonly deadline: number;
  private readonly cell = new Int32Array(new SharedArrayBuffer(4));
  private readonly buffer = Buffer.allocUnsafe(FRAME);

  constructor(socket: Socket, deadline: number) {
    this.fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
    this.deadline = deadline;
  }

  /** False if not all could be written. */
  write(bytes: Uint8Array): boolean {
    let at = 0;
    while (at < bytes.length) {
      const written = this.retry(() => writeSync(this.fd, bytes, at));
      if (written === undefined) return false;
      at += written;
    }
    return true;
  }

  /** What has come; undefined at the end of all. */
  read(): Buffer | undefined {
    const count = this.retry(() => readSync(this.fd, this.buffer, 0, FRAME, null));
    return count ? Buffer.from(this.buffer.subarray(0, count)) : undefined;
  }

  private retry(operation: () => number): number | undefined {
    for (;;) {
      try {
        return operation();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > this.deadline) return undefined;
        Atomics.wait(this.cell, 0, 0, 1);
      }
    }
  }
}

function request({ url, path, headers, body }: LastBatch): Buffer {
  const lines = Object.entries({ host: url.host, ...headers, 'content-length': body.length, connection: 'close' });
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${text}\r\n`, 'latin1'), body]);
}

/** One unary call on a connection of its own: https://www.rfc-editor.org/rfc/rfc9113 */
function call(line: Line, batch: LastBatch): void {
  const start = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
  if (!line.write(Buffer.concat([start, frame(SETTINGS, 0, 0, new Uint8Array()), head(batch, 1)]))) return;
  const frames = dataFrames(batch.body, 1);
  let connection = FIRST_WINDOW;
  let stream = FIRST_WINDOW;
  let initial = FIRST_WINDOW;
  let pending = Buffer.alloc(0);
  for (;;) {
    for (let next = frames[0]; next && next.length - 9 <= Math.min(connection, stream); next = frames[0]) {
      if (!line.write(next)) return;
      connection -= next.length - 9;
      stream -= next.length - 9;
      frames.shift();
    }
    const bytes = line.read();
    if (bytes === undefined) return;
    pending = Buffer.concat([pending, bytes]);
    while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
      const body = pending.subarray(9, 9 + pending.readUIntBE(0, 3));
      const type = pending[3];
      const flags = pending[4]!;
      const isOurs = pending.readUInt32BE(5) !== 0;
      pending = pending.subarray(9 + body.length);
      if (type === RESET || type === GO_AWAY || (type === HEADERS && flags & END_STREAM)) return;
      if (type === WINDOW_UPDATE) {
        if (isOurs) stream += body.readUInt32BE(0);
        else connection += body.readUInt32BE(0);
      }
      for (let at = 0; type === SETTINGS && at < body.length; at += 6) {
        if (body.readUInt16BE(at) !== INITIAL_WINDOW_SIZE) continue;
        stream += body.readUInt32BE(at + 2) - initial;
        initial = body.readUInt32BE(at + 2);
      }
    }
  }
}

function head({ url, path, headers }: LastBatch, stream: number): Buffer {
  const all = { ':method': 'POST', ':scheme': url.protocol.slice(0, -1), ':path': path, ':authority': url.host };
  const fields = Object.entries({ ...all, ...headers }).map(([name, value]) =>
    Buffer.concat([Buffer.alloc(1), literal(name.toLowerCase()), literal(value)]),
  );
  return frame(HEADERS, END_HEADERS, stream, Buffer.concat(fields));
}

/** A string of HPACK, neither compressed nor kept in a table: https://www.rfc-editor.org/rfc/rfc7541#section-5 */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    let rest = bytes.length - 127;
    length.push(127);
    for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

function dataFrames(body: Uint8Array, stream: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += FRAME) {
    const part = body.subarray(at, at + FRAME);
    frames.push(frame(DATA, at + FRAME >= body.length ? END_STREAM : 0, stream, part));
  }
  return frames;
}

function frame(type: number, flags: number, stream: number, body: Uint8Array): Buffer {
  const start = Buffer.alloc(9);
  start.writeUIntBE(body.length, 0, 3);
  start[3] = type;
  start[4] = flags;
  start.writeUInt32BE(stream, 5);
  return Buffer.concat([start, body]);
}
