"""Keeps freed memory from staying with the process."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_LARGE_BLOCK_BYTES = 1 << 20
_KEPT_BYTES = 16 << 20


def return_large_blocks() -> None:
    """Makes the C library give blocks of a megabyte and more back to the system as soon as they are freed.

    glibc otherwise raises that limit as it sees large blocks, up to 32 MB, and then keeps what a network and a
    spectrogram used: 100 to 200 MB more at rest and at the peak (``docs/engine.md``). Setting the limit sets another
    one to 128 kB, above which each thread gives back smaller blocks too, and takes them again, page by page, for the
    next operation: split and meters took three to six times as long. So each keeps up to 16 MB. Applies to the whole
    process. Does nothing where the C library is another one.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def return_kept_blocks() -> None:
    """Gives back what freed smaller blocks still hold, 30 MB after a song; a few milliseconds."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
