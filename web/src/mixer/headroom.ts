/** How far a mix reaches at most, where nobody has mixed it yet: told from the peaks of its tracks. */

import { gainOf, gainsOf, type Levels } from "./desk";

/** Minimum and maximum in turn, -1 to 1, of the same stretches of every track. */
export type TrackPeaks = Readonly<Record<string, ArrayLike<number>>>;

/** What goes from each side to each; [left to left, right to left, left to right, right to right]. */
type Sides = readonly [number, number, number, number];

/** The `StereoPannerNode` of Web Audio: what one side loses is heard on the other. */
function panorama(pan: number): Sides {
  const angle = ((pan <= 0 ? pan + 1 : pan) * Math.PI) / 2;
  const [left, right] = [Math.cos(angle), Math.sin(angle)];
  return pan <= 0 ? [1, left, 0, right] : [left, 0, right, 1];
}

/** The largest magnitude that a peak of 1 comes to on either side, of what is left of `gain` times `sides` without `common`. */
function reach(gain: number, [a, b, c, d]: Sides, common: number): number {
  return Math.max(
    Math.abs(gain * a - common) + Math.abs(gain * b),
    Math.abs(gain * c) + Math.abs(gain * d - common),
  );
}

/**
 * The largest magnitude that the mix can have; it may have less, for the tracks' peaks need not meet.
 *
 * `original`: the track that is the sum of the stems, null where not all of them are here. What all stems have in common
 * is as loud as it is there, which leaves the mix with neutral faders the song's own peak. A track without peaks is taken
 * to reach full scale; `channels` beyond two are mixed down, which may add to a peak.
 */
export function highestPeak(
  { strips, masterDb }: Levels,
  peaks: TrackPeaks,
  original: string | null,
  channels: number,
): number {
  const gains = gainsOf(strips);
  const least = original === null ? 0 : Math.min(...gains.values());
  const stems = [...strips].map(([stem, { pan }]) => ({
    magnitude: magnitudeOf(peaks[stem]),
    alone: reach(gains.get(stem) ?? 0, panorama(pan), 0),
    besides: reach(gains.get(stem) ?? 0, panorama(pan), least),
  }));
  const common = magnitudeOf(original === null ? undefined : peaks[original]);
  const stretches = Math.max(1, ...Object.values(peaks).map((values) => values.length / 2));
  let highest = 0;
  for (let i = 0; i < stretches; i++) {
    const apart = stems.reduce((sum, stem) => sum + stem.alone * stem.magnitude(i), 0);
    const together = stems.reduce((sum, stem) => sum + stem.besides * stem.magnitude(i), least * common(i));
    highest = Math.max(highest, original === null ? apart : Math.min(apart, together));
  }
  return highest * gainOf(masterDb) * (channels === 6 ? 1 + Math.SQRT2 : 1);
}

function magnitudeOf(values: ArrayLike<number> | undefined): (stretch: number) => number {
  return (stretch) =>
    values === undefined ? 1 : Math.max(-(values[2 * stretch] ?? 0), values[2 * stretch + 1] ?? 0, 0);
}
