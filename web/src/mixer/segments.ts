/** Decoded segments, as few as are needed: fetched by need, dropped behind, never above a limit. */

/** The part of an `AudioBuffer` that is read here. */
export interface DecodedAudio {
  readonly length: number;
  readonly numberOfChannels: number;
  readonly sampleRate: number;
  getChannelData(channel: number): Float32Array;
}

export type SegmentAudio<A extends DecodedAudio = AudioBuffer> = ReadonlyMap<string, A>;

export interface SegmentSource<A extends DecodedAudio> {
  /** One track's segment as the server has it. Rejects where it cannot be had, and once `signal` is aborted. */
  fetch(track: string, segment: number, signal: AbortSignal): Promise<ArrayBuffer>;
  decode(encoded: ArrayBuffer): Promise<A>;
}

export interface SegmentLimits {
  /** Decoded bytes of one whole segment of all tracks. */
  readonly segmentBytes: number;
  readonly limitBytes: number;
}

/** Two segments are the least with which one can follow the other without a break. */
const LEAST = 2;
/** The one that is heard, 12 s ahead of it, and the start of a loop. */
const MOST = 4;
const RETRY_MILLISECONDS = [500, 1000, 2000, 4000, 8000];

/** Two segments of this recording are more than a page may hold. */
export class TooLargeToPlay extends Error {}

interface Loading {
  readonly abort: AbortController;
  bytes: number;
}

export class SegmentStore<A extends DecodedAudio = AudioBuffer> {
  /** The largest number of bytes that was ever held, what was still being decoded included. */
  peakBytes = 0;
  /** Why the last attempt failed; null as soon as one succeeds. */
  failure: unknown = null;

  private readonly tracks: readonly string[];
  private readonly source: SegmentSource<A>;
  private readonly segmentBytes: number;
  private readonly onChange: (arrived: SegmentAudio<A> | null, segment: number) => void;
  private readonly limitBytes: number;
  /** Bytes of the limit that are somebody else's. */
  private reserved = 0;
  private wanted: readonly number[] = [];
  private readonly ready = new Map<number, SegmentAudio<A>>();
  private readonly loading = new Map<number, Loading>();
  private retries = 0;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;

  /** Raises `TooLargeToPlay`. `onChange` is called when a segment arrived or could not be had. */
  constructor(
    tracks: readonly string[],
    source: SegmentSource<A>,
    limits: SegmentLimits,
    onChange: (arrived: SegmentAudio<A> | null, segment: number) => void,
  ) {
    this.tracks = tracks;
    this.source = source;
    this.segmentBytes = limits.segmentBytes;
    this.onChange = onChange;
    this.limitBytes = limits.limitBytes;
    if (this.limitBytes < LEAST * this.segmentBytes) throw new TooLargeToPlay();
  }

  /** Bytes of audio held now; a segment that is on its way counts as a whole one. */
  get bytes(): number {
    let sum = 0;
    for (const audio of this.ready.values()) sum += bytesOf(audio);
    for (const one of this.loading.values()) sum += one.bytes + this.segmentBytes;
    return sum;
  }

  get(segment: number): SegmentAudio<A> | undefined {
    return this.ready.get(segment);
  }

  /** Leaves so many bytes of the limit to others, as long as two segments have room. */
  reserve(bytes: number): void {
    this.reserved = bytes;
  }

  /** Says which segments are needed, the first first. Whatever is not named, or not among the first few, is dropped. */
  want(segments: readonly number[]): void {
    const room = Math.floor((this.limitBytes - this.reserved) / this.segmentBytes);
    this.wanted = segments.slice(0, Math.min(MOST, Math.max(LEAST, room)));
    for (const segment of this.ready.keys()) if (!this.wanted.includes(segment)) this.ready.delete(segment);
    for (const [segment, one] of this.loading) {
      if (this.wanted.includes(segment)) continue;
      one.abort.abort();
      this.loading.delete(segment);
    }
    this.loadNext();
  }

  /** Tries again at once what failed. */
  retry(): void {
    this.cancelRetry();
    this.retries = 0;
    this.loadNext();
  }

  close(): void {
    this.cancelRetry();
    this.want([]);
  }

  /** One segment at a time, so that what is needed first has the whole line. */
  private loadNext(): void {
    if (this.loading.size > 0 || this.retryTimer !== null) return;
    const next = this.wanted.find((segment) => !this.ready.has(segment));
    if (next !== undefined) void this.load(next);
  }

  private async load(segment: number): Promise<void> {
    const loading: Loading = { abort: new AbortController(), bytes: 0 };
    this.loading.set(segment, loading);
    this.notePeak();
    try {
      const pairs = await Promise.all(
        this.tracks.map(async (track) => {
          const encoded = await this.source.fetch(track, segment, loading.abort.signal);
          const length = encoded.byteLength;
          loading.bytes += length;
          this.notePeak();
          const audio = await this.source.decode(encoded);
          loading.bytes -= length;
          return [track, audio] as const;
        }),
      );
      if (this.loading.get(segment) !== loading) return;
      this.loading.delete(segment);
      const audio = new Map(pairs);
      this.ready.set(segment, audio);
      this.notePeak();
      this.failure = null;
      this.retries = 0;
      this.onChange(audio, segment);
    } catch (error) {
      loading.abort.abort();
      if (this.loading.get(segment) !== loading) return;
      this.loading.delete(segment);
      this.failure = error;
      this.scheduleRetry();
      this.onChange(null, segment);
    }
    this.loadNext();
  }

  private scheduleRetry(): void {
    const wait = RETRY_MILLISECONDS[Math.min(this.retries, RETRY_MILLISECONDS.length - 1)];
    this.retries += 1;
    this.retryTimer = setTimeout(() => {
      this.retryTimer = null;
      this.loadNext();
    }, wait);
  }

  private cancelRetry(): void {
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.retryTimer = null;
  }

  private notePeak(): void {
    this.peakBytes = Math.max(this.peakBytes, this.bytes);
  }
}

function bytesOf(audio: SegmentAudio<DecodedAudio>): number {
  let sum = 0;
  for (const one of audio.values()) sum += one.length * one.numberOfChannels * Float32Array.BYTES_PER_ELEMENT;
  return sum;
}
