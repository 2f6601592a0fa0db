/** How fast and in which key the song is heard, without each other. */

export interface Tempo {
  /** 1 is the song's own. */
  readonly speed: number;
  readonly semitones: number;
}

export const NORMAL: Tempo = { speed: 1, semitones: 0 };
export const SLOWEST = 0.5;
export const FASTEST = 2;
export const MOST_SEMITONES = 12;

/** The nearest tempo that there is: whole percents and semitones. */
export function tempoNear({ speed, semitones }: Tempo): Tempo {
  return {
    speed: Math.min(FASTEST, Math.max(SLOWEST, Math.round(speed * 100) / 100)),
    semitones: Math.min(MOST_SEMITONES, Math.max(-MOST_SEMITONES, Math.round(semitones))),
  };
}

export function isNormal({ speed, semitones }: Tempo): boolean {
  return speed === 1 && semitones === 0;
}

/** From `frame` on, the song's sample `sample` and those after it are heard at `speed`. */
interface Leg {
  readonly frame: number;
  readonly sample: number;
  readonly speed: number;
}

/** Which sample of a stream is heard at which frame. Both ends of the worklet's line have the same, so that neither has to tell the other where it is. */
export class TempoMap {
  private readonly legs: Leg[];

  /** The stream's first sample is heard at `frame`. */
  constructor(frame: number, speed: number) {
    this.legs = [{ frame, sample: 0, speed }];
  }

  sampleAt(frame: number): number {
    const { frame: from, sample, speed } = this.at(frame);
    return sample + (frame - from) * speed;
  }

  speedAt(frame: number): number {
    return this.at(frame).speed;
  }

  /** Changes that were to come after `frame` are forgotten. */
  setSpeed(speed: number, frame: number): void {
    const sample = this.sampleAt(frame);
    while (this.legs.length > 1 && (this.legs.at(-1) as Leg).frame >= frame) this.legs.pop();
    this.legs.push({ frame, sample, speed });
  }

  private at(frame: number): Leg {
    const found = this.legs.findLast((one) => one.frame <= frame) ?? this.legs[0];
    return found as Leg;
  }
}
