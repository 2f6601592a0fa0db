/** What is heard next: the song cut at the borders of segments and of the loop. All positions are samples of the song. */

/** A region that repeats; `end` is exclusive. */
export interface Loop {
  readonly start: number;
  readonly end: number;
}

/** `end`: how far the song can be played by now, exclusive; it grows while the stems are being made. */
export interface Grid {
  readonly segmentSamples: number;
  readonly end: number;
}

/** A piece of one segment, played without a break. */
export interface Span {
  readonly segment: number;
  /** First sample, counted from the segment's start. */
  readonly offset: number;
  readonly length: number;
  /** The same sample, counted from the song's start. */
  readonly position: number;
}

/** Spans of at most `longest` from `position` on, for ever where a loop turns back, else up to `grid.end`. A loop that lies behind is not entered. */
export function* spansFrom(
  position: number,
  grid: Grid,
  loop: Loop | null,
  longest = Number.POSITIVE_INFINITY,
): Generator<Span, void> {
  let at = position;
  while (true) {
    const inside = loop !== null && at < loop.end;
    if (at >= grid.end) return;
    const segment = Math.floor(at / grid.segmentSamples);
    const offset = at - segment * grid.segmentSamples;
    const border = Math.min(
      (segment + 1) * grid.segmentSamples,
      grid.end,
      inside ? loop.end : grid.end,
      at + longest,
    );
    yield { segment, offset, length: border - at, position: at };
    at = inside && border === loop.end ? loop.start : border;
  }
}

/** The segments that the next `samples` are cut from, in the order in which they are needed, each once. */
export function segmentsAhead(position: number, samples: number, grid: Grid, loop: Loop | null): number[] {
  const needed = new Set<number>();
  let ahead = 0;
  for (const span of spansFrom(position, grid, loop)) {
    if (ahead >= samples) break;
    needed.add(span.segment);
    ahead += span.length;
  }
  return [...needed];
}
