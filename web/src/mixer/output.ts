/** How pieces of the song come to be heard at their frames of the clock. The transport decides which and when. */

import type { SegmentAudio } from "./segments";

export interface Output {
  /** Seconds from the decision to begin to the first frame that is heard. */
  readonly beginSeconds: number;
  /** Seconds before its first frame by which a piece must be known that follows another without a break. */
  readonly followSeconds: (speed: number) => number;
  /** How far ahead pieces are laid down, and the longest one, in seconds of the clock and of the song. */
  readonly aheadSeconds: number;
  readonly longestSeconds: number;
  /**
   * Lays `length` samples of every track down, of a segment's from `offset` on, to be heard from `frame` on at `speed`.
   * `following`: they join what was laid down before them. False where it is too late: then none of them is heard.
   */
  play(
    audio: SegmentAudio,
    offset: number,
    length: number,
    frame: number,
    speed: number,
    following: boolean,
  ): boolean;
  /** Nothing is heard from a frame on. */
  end(frame: number): void;
  /** What was laid down from a frame on is forgotten; something else will follow there. */
  truncate(frame: number): void;
  setSpeed(speed: number, frame: number): void;
  /** Lets go of what has been heard before a frame. */
  forget(frame: number): void;
}
