/**
 * How loud tracks are beside each other, after the K-weighting of ITU-R BS.1770, measured on segments as they arrive.
 * Needed to compare mix and original at equal loudness: whatever is louder sounds better.
 */

import type { DecodedAudio } from "./segments";

/** A tenth of a second out of every half: enough for a ratio of powers, and a fifth of the work. */
const BLOCK_SECONDS = 0.1;
const EVERY_SECONDS = 0.5;
/** Before a block, so that the filters have settled. */
const SETTLE_SECONDS = 0.02;

type Biquad = readonly [b0: number, b1: number, b2: number, a1: number, a2: number];

/** The two filters for any rate, with `a0 = 1`: B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018. */
function kWeighting(rate: number): readonly [Biquad, Biquad] {
  let k = Math.tan((Math.PI * 1681.974450955533) / rate);
  let q = 0.7071752369554196;
  const high = 10 ** (3.999843853973347 / 20);
  const middle = high ** 0.4996667741545416;
  const a0 = 1 + k / q + k * k;
  const shelf: Biquad = [
    (high + (middle * k) / q + k * k) / a0,
    (2 * (k * k - high)) / a0,
    (high - (middle * k) / q + k * k) / a0,
    (2 * (k * k - 1)) / a0,
    (1 - k / q + k * k) / a0,
  ];
  k = Math.tan((Math.PI * 38.13547087602444) / rate);
  q = 0.5003270373238773;
  const b0 = 1 + k / q + k * k;
  return [shelf, [1, -2, 1, (2 * (k * k - 1)) / b0, (1 - k / q + k * k) / b0]];
}

/** Weighted power of a track: the sum over its channels of the mean square. Full scale sine: about 0.5 per channel. */
export function weightedPower(audio: DecodedAudio): number {
  const rate = audio.sampleRate;
  const [shelf, highPass] = kWeighting(rate);
  const settle = Math.round(SETTLE_SECONDS * rate);
  const block = Math.round(BLOCK_SECONDS * rate);
  const every = Math.round(EVERY_SECONDS * rate);
  let power = 0;
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    let energy = 0;
    let counted = 0;
    for (let start = 0; start < audio.length; start += every) {
      const end = Math.min(start + settle + block, audio.length);
      const from = Math.min(start + settle, end);
      energy += blockEnergy(samples, start, from, end, shelf, highPass);
      counted += end - from;
    }
    if (counted > 0) power += energy / counted;
  }
  return power;
}

function blockEnergy(
  x: Float32Array,
  start: number,
  from: number,
  end: number,
  one: Biquad,
  two: Biquad,
): number {
  let [u1, u2, v1, v2, energy] = [0, 0, 0, 0, 0];
  for (let i = start; i < end; i++) {
    const input = x[i] ?? 0;
    const u = one[0] * input + u1;
    u1 = one[1] * input - one[3] * u + u2;
    u2 = one[2] * input - one[4] * u;
    const v = two[0] * u + v1;
    v1 = two[1] * u - two[3] * v + v2;
    v2 = two[2] * u - two[4] * v;
    if (i >= from) energy += v * v;
  }
  return energy;
}

/** Powers of the stems and of their sum, the original, over whatever has been measured so far. */
export class RelativeLoudness {
  private readonly measured = new Map<number, ReadonlyMap<string, number>>();

  add(segment: number, audio: ReadonlyMap<string, DecodedAudio>): void {
    if (this.measured.has(segment)) return;
    this.measured.set(segment, new Map([...audio].map(([track, one]) => [track, weightedPower(one)])));
  }

  power(track: string): number {
    let sum = 0;
    for (const powers of this.measured.values()) sum += powers.get(track) ?? 0;
    return sum;
  }

  /**
   * What the original has to be multiplied by to be as loud as the mix of the stems at these gains.
   *
   * The power of a sum is the sum of the powers and of what the stems have in common. That is known in all, from the
   * original; between more than two stems it is shared out by their levels.
   */
  gainOfOriginal(original: string, gains: ReadonlyMap<string, number>): number {
    const whole = this.power(original);
    if (whole <= 0) return 1;
    const stems = [...gains].map(([track, gain]) => ({ gain, power: this.power(track) }));
    const alone = stems.reduce((sum, stem) => sum + stem.power, 0);
    let heard = stems.reduce((sum, stem) => sum + stem.gain ** 2 * stem.power, 0);
    let pairs = 0;
    let heardPairs = 0;
    stems.forEach((one, i) => {
      for (const other of stems.slice(i + 1)) {
        const level = Math.sqrt(one.power * other.power);
        pairs += level;
        heardPairs += level * one.gain * other.gain;
      }
    });
    if (pairs > 0) heard += ((whole - alone) * heardPairs) / pairs;
    // A mix of nothing has no loudness to be matched.
    return heard <= 0 ? 1 : Math.min(Math.sqrt(heard / whole), MOST);
  }
}

/** Six decibels up, as far as a fader goes. */
const MOST = 2;
