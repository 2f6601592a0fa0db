/**
 * The samples as they are, at the song's own speed: every source is started at a whole frame of the context's clock, the
 * same for all tracks. They are in step to the sample because nothing else is possible.
 */

import type { Output } from "./output";
import type { SegmentAudio } from "./segments";

/** What is needed of an AudioContext. */
export type Clock = Pick<BaseAudioContext, "currentTime" | "sampleRate" | "createBufferSource">;

interface Piece {
  readonly frame: number;
  readonly end: number;
  readonly nodes: readonly AudioBufferSourceNode[];
}

export class Sources implements Output {
  /** The time that starting one source per track may take. */
  readonly beginSeconds = 0.06;
  readonly followSeconds = () => 0.03;
  /** Timers of a hidden page are slowed. */
  readonly aheadSeconds = 12;
  readonly longestSeconds = Number.POSITIVE_INFINITY;

  private readonly clock: Clock;
  private readonly inputs: ReadonlyMap<string, AudioNode>;
  private pieces: Piece[] = [];

  /** `inputs`: where each track goes. */
  constructor(clock: Clock, inputs: ReadonlyMap<string, AudioNode>) {
    this.clock = clock;
    this.inputs = inputs;
  }

  play(audio: SegmentAudio, offset: number, length: number, frame: number): boolean {
    const { sampleRate } = this.clock;
    const nodes: AudioBufferSourceNode[] = [];
    for (const [track, buffer] of audio) {
      const input = this.inputs.get(track);
      if (input === undefined) continue;
      const node = this.clock.createBufferSource();
      node.buffer = buffer;
      node.connect(input);
      node.start(frame / sampleRate, offset / sampleRate);
      node.stop((frame + length) / sampleRate);
      nodes.push(node);
    }
    const piece = { frame, end: frame + length, nodes };
    if (Math.round(this.clock.currentTime * sampleRate) < frame) {
      this.pieces.push(piece);
      return true;
    }
    // The clock has passed the frame meanwhile: no track may sound, for some would be late.
    release(piece);
    return false;
  }

  end(frame: number): void {
    this.truncate(frame);
    // What fades out is held by its nodes until it has ended.
    this.pieces = [];
  }

  truncate(frame: number): void {
    this.pieces = this.pieces.flatMap((piece) => {
      if (piece.end <= frame) return [piece];
      if (piece.frame >= frame) {
        release(piece);
        return [];
      }
      for (const node of piece.nodes) node.stop(frame / this.clock.sampleRate);
      return [{ ...piece, end: frame }];
    });
  }

  setSpeed(): void {}

  forget(frame: number): void {
    for (const piece of this.pieces) if (piece.end <= frame) release(piece);
    this.pieces = this.pieces.filter((piece) => piece.end > frame);
  }
}

function release(piece: Piece): void {
  for (const node of piece.nodes) {
    node.stop();
    node.disconnect();
    node.buffer = null;
  }
}
