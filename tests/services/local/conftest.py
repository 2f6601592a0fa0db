import errno
import os
from collections.abc import Iterator

import pytest

from services.local.processes import has_process_descriptors


@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that gives no descriptors of processes."""

    def refused(_pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refused)
    has_process_descriptors.cache_clear()
    yield
    has_process_descriptors.cache_clear()
