/** Bytes are those of OTLP in protobuf, before compression. */
export interface Flow {
  spansPerSecond: number;
  bytesPerSecond: number;
}

/** `12 spans/s, 8.1 kB/s` */
export function flowText({ spansPerSecond, bytesPerSecond }: Flow): string {
  const unit =
    bytesPerSecond >= 1e6
      ? ([1e6, 'MB'] as const)
      : bytesPerSecond >= 1e3
        ? ([1e3, 'kB'] as const)
        : ([1, 'B'] as const);
  // What waits has been counted, and not yet been encoded.
  if (bytesPerSecond === 0 && spansPerSecond > 0) return `${short(spansPerSecond)} spans/s`;
  return `${short(spansPerSecond)} spans/s, ${short(bytesPerSecond / unit[0])} ${unit[1]}/s`;
}

function short(number: number): string {
  return number >= 100 ? String(Math.round(number)) : String(Number(number.toPrecision(2)));
}
