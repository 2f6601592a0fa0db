/** The compiled library, as `stretchLibrary` of vite.config.ts leaves it of the package. Lengths are samples, addresses bytes of `HEAP8`. */
declare module "signalsmith-stretch" {
  export interface Library {
    /** Another one after memory has grown. */
    readonly HEAP8: Int8Array;
    _main(): void;
    _configure(channels: number, block: number, interval: number, spread: boolean): void;
    _inputLatency(): number;
    _outputLatency(): number;
    _reset(): void;
    /** Room for `length` samples a channel: all inputs, then all outputs. Returns its address. */
    _setBuffers(channels: number, length: number): number;
    /** `tonality` in cycles a sample: what lies above is moved, not multiplied. */
    _setTransposeSemitones(semitones: number, tonality: number): void;
    /** Takes the inputs as what came before; no output. */
    _seek(inputs: number, speed: number): void;
    _process(inputs: number, outputs: number): void;
  }

  export default function load(): Promise<Library>;
}
