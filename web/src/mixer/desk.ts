/**
 * The console: a fader, a panorama and two switches per stem, one master, and the original beside the mix.
 *
 *     stem ─ fader ─ pan ─┐
 *     stem ─ fader ─ pan ─┴─ mix ──────┐
 *     original ── equal loudness ──────┴─ fade ─ master ─ out
 *
 * With every fader at 0 dB and every panorama in the middle the mix is the plain sum of the stems.
 */

export interface Strip {
  /** `-Infinity` is silence. */
  readonly gainDb: number;
  /** -1 left to 1 right. */
  readonly pan: number;
  readonly muted: boolean;
  readonly soloed: boolean;
}

export const NEUTRAL: Strip = { gainDb: 0, pan: 0, muted: false, soloed: false };

/** The lowest place of a fader is silence. */
export const SILENT_DB = -60;
export const LOUDEST_DB = 6;

/** Where all faders of a desk stand. */
export interface Levels {
  readonly strips: ReadonlyMap<string, Strip>;
  readonly masterDb: number;
}

export type DeskContext = Pick<BaseAudioContext, "currentTime" | "createGain" | "createStereoPanner">;

/** A change of gain takes this long, so that it does not click. */
const GLIDE_SECONDS = 0.015;

export function gainOf(decibels: number): number {
  return decibels === Number.NEGATIVE_INFINITY ? 0 : 10 ** (decibels / 20);
}

/** What each stem is multiplied by: where one is soloed only the soloed ones are heard, else all that are not muted. */
export function gainsOf(strips: ReadonlyMap<string, Strip>): Map<string, number> {
  const soloing = [...strips.values()].some((strip) => strip.soloed);
  return new Map(
    [...strips].map(([name, strip]) => [
      name,
      (soloing ? strip.soloed : !strip.muted) ? gainOf(strip.gainDb) : 0,
    ]),
  );
}

export class Desk {
  /** Where the transport connects each track. */
  readonly inputs = new Map<string, AudioNode>();
  /** Silences everything where playing is cut. */
  readonly fade: AudioParam;
  readonly output: AudioNode;

  private readonly context: DeskContext;
  private readonly faders = new Map<string, AudioParam>();
  private readonly pans = new Map<string, AudioParam>();
  private readonly mix: AudioParam;
  private readonly original: AudioParam | null;
  private readonly master: AudioParam;
  private readonly levels = new Map<AudioParam, number>();

  /** `levels`: where its faders stand at once, else as neutral as can be. */
  constructor(context: DeskContext, stems: readonly string[], original: string | null, levels?: Levels) {
    this.context = context;
    const master = context.createGain();
    const fade = context.createGain();
    const mix = context.createGain();
    const gains = gainsOf(levels?.strips ?? new Map());
    master.gain.value = gainOf(levels?.masterDb ?? 0);
    fade.connect(master);
    mix.connect(fade);
    for (const stem of stems) {
      const fader = this.stereo();
      const pan = context.createStereoPanner();
      fader.gain.value = gains.get(stem) ?? 1;
      pan.pan.value = levels?.strips.get(stem)?.pan ?? 0;
      fader.connect(pan);
      pan.connect(mix);
      this.inputs.set(stem, fader);
      this.faders.set(stem, fader.gain);
      this.pans.set(stem, pan.pan);
    }
    this.original = null;
    if (original !== null) {
      const beside = this.stereo();
      beside.gain.value = 0;
      beside.connect(fade);
      this.inputs.set(original, beside);
      this.original = beside.gain;
    }
    this.mix = mix.gain;
    this.fade = fade.gain;
    this.master = master.gain;
    this.output = master;
  }

  setStrips(strips: ReadonlyMap<string, Strip>): void {
    for (const [name, gain] of gainsOf(strips)) this.glide(this.faders.get(name), gain);
    for (const [name, strip] of strips) this.glide(this.pans.get(name), strip.pan);
  }

  setMaster(decibels: number): void {
    this.glide(this.master, gainOf(decibels));
  }

  /** Lets the original be heard at `gain` in place of the mix; null is the mix. */
  compare(gain: number | null): void {
    if (this.original === null) return;
    this.glide(this.original, gain ?? 0);
    this.glide(this.mix, gain === null ? 1 : 0);
  }

  /** One channel becomes two before the panorama, which would otherwise lower it by 3 dB in the middle. */
  private stereo(): GainNode {
    const node = this.context.createGain();
    node.channelCount = 2;
    node.channelCountMode = "explicit";
    return node;
  }

  /** The level is remembered because not every browser tells it while it changes by itself. */
  private glide(param: AudioParam | undefined, value: number): void {
    if (param === undefined) return;
    const from = this.levels.get(param) ?? param.value;
    if (from === value) return;
    const now = this.context.currentTime;
    param.cancelScheduledValues(now);
    param.setValueAtTime(from, now);
    param.linearRampToValueAtTime(value, now + GLIDE_SECONDS);
    this.levels.set(param, value);
  }
}
