/** Samples of all channels on their way through the worklet: laid down in the order in which they are heard, read once. */

export class Tape {
  private readonly pieces: (readonly Float32Array[])[] = [];
  /** Of the first piece, how much has been read. */
  private offset = 0;
  /** Samples that were read, those that were missing included. */
  private taken = 0;

  append(piece: readonly Float32Array[]): void {
    this.pieces.push(piece);
  }

  /** Forgets all samples from the stream's `end` on. */
  truncate(end: number): void {
    let left = Math.max(0, end - this.taken);
    let begin = this.offset;
    for (let i = 0; i < this.pieces.length; i++) {
      const piece = this.pieces[i] as readonly Float32Array[];
      const length = lengthOf(piece) - begin;
      if (left < length) {
        this.pieces.length = i;
        if (left > 0) this.pieces.push(piece.map((channel) => channel.subarray(0, begin + left)));
        return;
      }
      left -= length;
      begin = 0;
    }
  }

  /** Writes the next `count` samples of each channel; silence where there are none. */
  read(into: readonly Float32Array[], count: number): void {
    let at = 0;
    while (at < count && this.pieces.length > 0) {
      const piece = this.pieces[0] as readonly Float32Array[];
      const length = Math.min(count - at, lengthOf(piece) - this.offset);
      into.forEach((channel, c) => {
        channel.set((piece[c] as Float32Array).subarray(this.offset, this.offset + length), at);
      });
      at += length;
      this.offset += length;
      if (this.offset === lengthOf(piece)) {
        this.pieces.shift();
        this.offset = 0;
      }
    }
    for (const channel of into) channel.fill(0, at, count);
    this.taken += count;
  }
}

function lengthOf(piece: readonly Float32Array[]): number {
  return piece[0]?.length ?? 0;
}
