/** The song at another speed or in another key: its samples go through a worklet, all tracks together, before the desk. */

import type { Output } from "./output";
import type { SegmentAudio } from "./segments";
import type { FromWorklet, ToWorklet } from "./stretch.worklet";
import worklet from "./stretch.worklet?worker&url";
import { TempoMap } from "./tempo";

/** For words to reach the worklet. */
const MARGIN_SECONDS = 0.06;
/** The worklet speaks several times a second, also while the page is hidden. */
const AHEAD_SECONDS = 2;
const LONGEST_SECONDS = 0.5;

/** Of the song, at most: what is ahead at the highest speed, and one piece more. */
export const STRETCHED_SECONDS = 2 * AHEAD_SECONDS + LONGEST_SECONDS;

export class Stretched implements Output {
  readonly beginSeconds: number;
  readonly followSeconds: (speed: number) => number;
  readonly aheadSeconds = AHEAD_SECONDS;
  readonly longestSeconds = LONGEST_SECONDS;

  private readonly node: AudioWorkletNode;
  private readonly tracks: readonly string[];
  private tempoMap = new TempoMap(0, 1);

  /**
   * Loads the worklet and leads each of `inputs` its track, of so many channels. `onHungry` is called several times a
   * second while it plays. Rejects where the worklet cannot be had.
   */
  static async open(
    context: BaseAudioContext,
    inputs: ReadonlyMap<string, AudioNode>,
    channels: number,
    onHungry: () => void,
  ): Promise<Stretched> {
    await context.audioWorklet.addModule(worklet);
    const node = new AudioWorkletNode(context, "stretch", {
      numberOfInputs: 0,
      numberOfOutputs: inputs.size,
      outputChannelCount: Array.from(inputs, () => channels),
    });
    const ready = await new Promise<FromWorklet>((resolve, reject) => {
      const failed = () => reject(new Error("the worklet for speed and key has failed"));
      node.port.onmessage = ({ data }) => (data === null ? failed() : resolve(data));
      node.onprocessorerror = failed;
    });
    node.port.onmessage = onHungry;
    Array.from(inputs.values(), (input, i) => node.connect(input, i));
    return new Stretched(node, [...inputs.keys()], ready, context.sampleRate);
  }

  private constructor(node: AudioWorkletNode, tracks: readonly string[], ready: FromWorklet, rate: number) {
    this.node = node;
    this.tracks = tracks;
    this.beginSeconds = MARGIN_SECONDS + ready.outputLatency / rate;
    this.followSeconds = (speed) => this.beginSeconds + ready.inputLatency / rate / speed;
  }

  setSemitones(semitones: number): void {
    this.tell({ semitones });
  }

  play(
    audio: SegmentAudio,
    offset: number,
    length: number,
    frame: number,
    speed: number,
    following: boolean,
  ): boolean {
    const samples = this.tracks.flatMap((track) => {
      const buffer = audio.get(track) as AudioBuffer;
      return Array.from({ length: buffer.numberOfChannels }, (_, c) =>
        buffer.getChannelData(c).slice(offset, offset + length),
      );
    });
    if (!following) this.tempoMap = new TempoMap(frame, speed);
    this.tell(
      { samples, begin: following ? null : { frame, speed } },
      samples.map(({ buffer }) => buffer),
    );
    return true;
  }

  end(frame: number): void {
    this.tell({ end: frame });
  }

  truncate(frame: number): void {
    this.tell({ truncate: Math.round(this.tempoMap.sampleAt(frame)) });
  }

  setSpeed(speed: number, frame: number): void {
    this.tempoMap.setSpeed(speed, frame);
    this.tell({ speed, frame });
  }

  forget(): void {}

  private tell(told: ToWorklet, transfer: Transferable[] = []): void {
    this.node.port.postMessage(told, transfer);
  }
}
