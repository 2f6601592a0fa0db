import type { MarkedRegion } from "../../../api/administration";

/** One segment of one track within the region: when it begins, from where in it, and how long. All in seconds. */
export interface Piece {
  number: number;
  at: number;
  from: number;
  length: number;
}

/** The pieces of a region, in order; together they are what lies between its marks. */
export function piecesOf({
  start_seconds,
  end_seconds,
  segment_seconds,
  first,
  last,
}: MarkedRegion): Piece[] {
  const pieces: Piece[] = [];
  for (let number = first; number <= last; number++) {
    const begins = Math.max(start_seconds, number * segment_seconds);
    const ends = Math.min(end_seconds, (number + 1) * segment_seconds);
    const length = ends - begins;
    if (length > 0)
      pieces.push({ number, at: begins - start_seconds, from: begins - number * segment_seconds, length });
  }
  return pieces;
}
