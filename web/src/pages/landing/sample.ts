import instrumental from "./sample/instrumental.mp3";
import mixture from "./sample/mixture.mp3";
import vocals from "./sample/vocals.mp3";

export const PARTS = ["mixture", "vocals", "instrumental"] as const;
export type Part = (typeof PARTS)[number];

const FILES: Record<Part, string> = { mixture, vocals, instrumental };
/** Fast enough to feel like a switch, slow enough not to click. */
const GLIDE_SECONDS = 0.015;

/** The song of the landing page: its parts run side by side on one clock, over and over, and one of them is heard. */
export class Sample {
  private readonly context: AudioContext;
  private readonly gains = new Map<Part, GainNode>();
  private readonly seconds: number;
  private readonly began: number;

  private constructor(context: AudioContext, buffers: ReadonlyMap<Part, AudioBuffer>, part: Part) {
    this.context = context;
    this.seconds = Math.min(...Array.from(buffers.values(), (buffer) => buffer.duration));
    this.began = context.currentTime;
    for (const [name, buffer] of buffers) {
      const source = new AudioBufferSourceNode(context, { buffer, loop: true, loopEnd: this.seconds });
      const gain = new GainNode(context, { gain: name === part ? 1 : 0 });
      source.connect(gain).connect(context.destination);
      source.start(this.began);
      this.gains.set(name, gain);
    }
  }

  /** Loads the parts and begins to play. Throws where a part cannot be had; to be called when somebody presses. */
  static async play(part: Part): Promise<Sample> {
    const context = new AudioContext();
    try {
      const load = async (name: Part) => {
        const response = await fetch(FILES[name]);
        if (!response.ok) throw new Error(`${response.status} for ${name}`);
        return [name, await context.decodeAudioData(await response.arrayBuffer())] as const;
      };
      return new Sample(context, new Map(await Promise.all(PARTS.map(load))), part);
    } catch (error) {
      void context.close();
      throw error;
    }
  }

  hear(part: Part): void {
    for (const [name, { gain }] of this.gains) {
      gain.setTargetAtTime(name === part ? 1 : 0, this.context.currentTime, GLIDE_SECONDS);
    }
  }

  pause(): void {
    void this.context.suspend();
  }

  resume(): void {
    void this.context.resume();
  }

  /** From 0 to 1 through the song. */
  get position(): number {
    return ((this.context.currentTime - this.began) % this.seconds) / this.seconds;
  }

  close(): void {
    void this.context.close();
  }
}
