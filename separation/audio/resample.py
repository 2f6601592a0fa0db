"""Resampling of a stream such that every output sample depends only on the input around it.

A filter that runs through the whole stream carries rounding from its first sample to its last, so a preview would
differ from the whole in the last bits. Here the stream is cut into blocks of about a second on a grid fixed by the two
rates, and each block is resampled on its own with a margin of real neighbours on both sides, then the margins are
dropped. Both rates have whole numbers of samples in a block and in a margin, so nothing drifts. The filter is SoX's,
linear phase, 20-bit quality (``soxr`` HQ): pass band to 91 % of the lower Nyquist frequency, about -120 dB of aliasing.
"""

from math import ceil, gcd

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

_BLOCK_SECONDS = 1.0
# Longer than the filter's half length at every supported pair of rates (measured: docs/engine.md).
_MARGIN_SECONDS = 0.05


class BlockResampler:
    """Feed input from sample ``first_input`` on, take output from sample ``first_output`` on.

    Sample ``n`` of either side lies at the time ``n / rate``. Equal rates pass the samples through untouched.
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int, first_output: int = 0) -> None:
        self._rates = rate_in, rate_out
        self._identity = rate_in == rate_out
        self._channels = channels
        self._position = first_output  # of the next output sample
        divisor = gcd(rate_in, rate_out)
        unit_in, unit_out = rate_in // divisor, rate_out // divisor
        block = ceil(_BLOCK_SECONDS * divisor)
        margin = ceil(_MARGIN_SECONDS * divisor)
        self._block_in, self._block_out = block * unit_in, block * unit_out
        self._margin_in, self._margin_out = margin * unit_in, margin * unit_out
        first_block = first_output // self._block_out
        self._block_begin = first_block * self._block_out  # of the next block's output
        begin = first_block * self._block_in - self._margin_in
        self.first_input = first_output if self._identity else max(0, begin)
        self._pending: Samples = np.zeros((max(0, -begin), channels), np.float32)

    def input_for(self, end: int) -> int:
        """How much input, counted from sample 0, is enough for the output up to sample ``end``."""
        if self._identity:
            return end
        return -(-end // self._block_out) * self._block_in + self._margin_in

    def push(self, samples: Samples) -> Samples:
        """``samples``: ``(n, channels)``, following those pushed before. Returns what is whole by now."""
        if self._identity:
            self._position += len(samples)
            return samples
        self._pending = np.concatenate([self._pending, samples])
        return self._whole_blocks()

    def finish(self, end: int) -> Samples:
        """The rest of the output up to sample ``end``, with silence after the input's end."""
        if self._identity:
            return np.zeros((0, self._channels), np.float32)
        blocks = max(0, -(-(end - self._block_begin) // self._block_out))
        needed = blocks * self._block_in + 2 * self._margin_in
        missing = max(0, needed - len(self._pending))
        self._pending = np.concatenate([self._pending, np.zeros((missing, self._channels), np.float32)])
        rest = max(0, end - self._position)
        return self._whole_blocks()[:rest]

    def _whole_blocks(self) -> Samples:
        length = self._block_in + 2 * self._margin_in
        blocks: list[Samples] = []
        begin = 0
        while len(self._pending) - begin >= length:
            skip = self._position - self._block_begin  # only in the first block of a stream that begins later
            kept = np.empty((self._block_out - skip, self._channels), np.float32)
            for channel in range(self._channels):  # one at a time: eight at 192 kHz take 20 MB together
                source = np.ascontiguousarray(self._pending[begin : begin + length, channel])
                resampled = soxr.resample(source, *self._rates, quality="HQ")
                if len(resampled) != self._block_out + 2 * self._margin_out:
                    raise RuntimeError("the resampler answered with an unexpected number of samples")
                kept[:, channel] = resampled[self._margin_out + skip : self._margin_out + self._block_out]
            blocks.append(kept)
            begin += self._block_in
            self._block_begin += self._block_out
            self._position = self._block_begin
        self._pending = self._pending[begin:].copy()  # a view would hold all of it
        return (
            blocks[0]
            if len(blocks) == 1
            else np.concatenate(blocks)
            if blocks
            else np.zeros((0, self._channels), np.float32)
        )
