"""Memory back to the machine once a song is done."""

import ctypes
import platform


def give_back() -> None:
    """Returns freed memory to the operating system. Where the C library is not glibc it does so by itself, or never.

    The network's working memory comes in large pieces that glibc keeps for the next song: 80 MB of an idle worker.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
