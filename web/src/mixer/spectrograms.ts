/** Spectrograms of what is looked at: made segment by segment when it comes into view, a few kept, never of a whole song. */

import type { SegmentSource } from "./segments";
import type { Spectrogram } from "./spectrum";
import type { ToMake } from "./spectrum.worker";

/** Of a wider view there is none. */
export const WIDEST_SECONDS = 60;
/** 77 kB each: those of the widest view of some stems, and around it. */
const KEPT = 96;

/** Makes the spectrogram of one channel. */
export interface Maker {
  make(told: ToMake): Promise<Spectrogram>;
  close(): void;
}

export class Spectrograms {
  private readonly source: SegmentSource<AudioBuffer>;
  private readonly openMaker: () => Maker;
  private readonly onChange: () => void;
  private maker: Maker | null = null;
  private readonly made = new Map<string, Spectrogram>();
  private wanted: readonly { readonly track: string; readonly segment: number }[] = [];
  private loading: { readonly key: string; readonly abort: AbortController } | null = null;
  private readonly failed = new Set<string>();

  constructor(source: SegmentSource<AudioBuffer>, onChange: () => void, openMaker = inWorker) {
    this.source = source;
    this.openMaker = openMaker;
    this.onChange = onChange;
  }

  get(track: string, segment: number): Spectrogram | undefined {
    return this.made.get(keyOf(track, segment));
  }

  /** Says what is in view; what is missing is made one after the other, and what is no longer wanted is not. */
  want(tracks: readonly string[], first: number, last: number): void {
    const segments = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    this.wanted = segments.flatMap((segment) => tracks.map((track) => ({ track, segment })));
    this.failed.clear();
    if (
      this.loading &&
      !this.wanted.some(({ track, segment }) => keyOf(track, segment) === this.loading?.key)
    ) {
      this.loading.abort.abort();
      this.loading = null;
    }
    this.makeNext();
  }

  close(): void {
    this.wanted = [];
    this.loading?.abort.abort();
    this.loading = null;
    this.maker?.close();
    this.maker = null;
  }

  private makeNext(): void {
    if (this.loading !== null) return;
    const next = this.wanted.find(({ track, segment }) => {
      const key = keyOf(track, segment);
      return !this.made.has(key) && !this.failed.has(key);
    });
    if (next) void this.load(next.track, next.segment);
  }

  private async load(track: string, segment: number): Promise<void> {
    const loading = { key: keyOf(track, segment), abort: new AbortController() };
    this.loading = loading;
    try {
      const encoded = await this.source.fetch(track, segment, loading.abort.signal);
      const audio = await this.source.decode(encoded);
      this.maker ??= this.openMaker();
      const made = await this.maker.make({
        samples: audio.getChannelData(0).slice(),
        rate: audio.sampleRate,
      });
      this.keep(loading.key, made);
    } catch {
      // It is asked for again when the view next moves.
      if (this.loading === loading) this.failed.add(loading.key);
    }
    if (this.loading !== loading) return;
    this.loading = null;
    this.onChange();
    this.makeNext();
  }

  private keep(key: string, made: Spectrogram): void {
    this.made.set(key, made);
    for (const old of this.made.keys()) {
      if (this.made.size <= KEPT) return;
      if (!this.wanted.some(({ track, segment }) => keyOf(track, segment) === old)) this.made.delete(old);
    }
  }
}

function keyOf(track: string, segment: number): string {
  return `${track}/${segment}`;
}

function inWorker(): Maker {
  const worker = new Worker(new URL("./spectrum.worker.ts", import.meta.url), { type: "module" });
  // It answers in the order in which it was asked.
  const waiting: ((made: Spectrogram) => void)[] = [];
  worker.onmessage = ({ data }) => waiting.shift()?.(data);
  return {
    make: (told) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        worker.postMessage(told, [told.samples.buffer]);
      }),
    close: () => worker.terminate(),
  };
}
