/**
 * Decoded segments: fetched by need, never above a limit. A few that are no longer needed are kept, those needed last, so
 * that going back costs nothing; and one may be fetched because somebody is about to go there.
 */

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
/** Besides those: where the song was before, and where it may go next. */
const KEPT = 2;
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
  private foreseen: number | null = null;
  /** Those needed last come last. */
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

  /** Says which segments are needed, the first first; more than have room are not loaded. */
  want(segments: readonly number[]): void {
    this.wanted = segments.slice(0, Math.min(MOST, Math.max(LEAST, this.room)));
    for (const segment of [...this.wanted].reverse()) {
      const audio = this.ready.get(segment);
      if (audio === undefined) continue;
      this.ready.delete(segment);
      this.ready.set(segment, audio);
    }
    this.dropOldest();
    const missing = this.wanted.some((segment) => !this.ready.has(segment));
    for (const [segment, one] of this.loading) {
      // What is needed does not wait for what may be.
      if (this.wanted.includes(segment) || (segment === this.foreseen && !missing)) continue;
      one.abort.abort();
      this.loading.delete(segment);
    }
    this.loadNext();
  }

  /** Somebody may be about to go there: it is loaded once all that is needed is here, if there is room. */
  foresee(segment: number): void {
    this.foreseen = segment;
    this.want(this.wanted);
  }

  /** Tries again at once what failed. */
  retry(): void {
    this.cancelRetry();
    this.retries = 0;
    this.loadNext();
  }

  close(): void {
    this.cancelRetry();
    this.foreseen = null;
    this.want([]);
    this.ready.clear();
  }

  /** How many segments have room. */
  private get room(): number {
    return Math.floor((this.limitBytes - this.reserved) / this.segmentBytes);
  }

  /** How many may be kept besides those that are needed; one is left free for what is being decoded. */
  private get keepable(): number {
    return Math.max(0, Math.min(KEPT, this.room - 1 - this.wanted.length));
  }

  private dropOldest(): void {
    const idle = [...this.ready.keys()].filter((segment) => !this.wanted.includes(segment));
    for (const segment of idle.slice(0, Math.max(0, idle.length - this.keepable))) this.ready.delete(segment);
  }

  /** One segment at a time, so that what is needed first has the whole line. */
  private loadNext(): void {
    if (this.loading.size > 0 || this.retryTimer !== null) return;
    const next = this.wanted.find((segment) => !this.ready.has(segment)) ?? this.foreseen ?? undefined;
    if (next === undefined || this.ready.has(next)) return;
    if (this.wanted.includes(next) || this.keepable > 0) void this.load(next);
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
      this.dropOldest();
      this.notePeak();
      this.failure = null;
      this.retries = 0;
      this.onChange(audio, segment);
    } catch (error) {
      loading.abort.abort();
      if (this.loading.get(segment) !== loading) return;
      this.loading.delete(segment);
      if (this.wanted.includes(segment)) {
        this.failure = error;
        this.scheduleRetry();
        this.onChange(null, segment);
      } else this.foreseen = null;
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
