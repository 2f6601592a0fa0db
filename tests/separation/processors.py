"""Tests of compiled loops run once for each processor that this machine can be."""

import platform
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from separation.compiled import loaded
from separation.processor import has_avx2


def each_processor(door: ModuleType) -> Any:
    """A fixture under which ``door``, the module in front of a compiled library, uses what is compiled for AVX2, and
    then what is not: a processor without it must get the same answers."""

    @pytest.fixture(params=["plain", "avx2"], autouse=True)
    def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "avx2" and not has_avx2():
            pytest.skip("This processor has no AVX2.")
        version = "x86_64_v3" if request.param == "avx2" else platform.machine()
        file = Path(str(door.__file__))
        library = loaded(file.with_name(f"{file.stem}-{version}.so"), door._SIGNATURES)
        monkeypatch.setattr(door, "_loops", lambda: library)

    return processor
