"""Tests of compiled code run once for each build that this machine's processor, as far as they may use it, runs."""

import platform
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from separation.machine.compiled import loaded
from separation.machine.processor import compiled_for

_X86_64 = platform.machine() == "x86_64"

BUILDS = ["x86_64", "x86_64_v3"] if _X86_64 else [platform.machine()]
"""Of the loops."""

KERNELS = ["x86_64_v3", "x86_64_v4"] if _X86_64 else [platform.machine()]
"""Builds of the network's kernels."""


def skip_unless_it_runs(build: str) -> None:
    """Ends the test as skipped where the processor lacks what ``build`` is compiled for."""
    if build not in compiled_for():
        pytest.skip(f"This processor does not run what is compiled for {build}.")


def each_processor(binding: ModuleType) -> Any:
    """A fixture under which ``binding``, the module in front of a compiled library, uses what is compiled for AVX2, and
    then what is not: a processor without it must get the same answers."""

    @pytest.fixture(params=BUILDS, autouse=True)
    def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        skip_unless_it_runs(request.param)
        file = Path(str(binding.__file__))
        library = loaded(file.with_name(f"{file.stem}-{request.param}.so"), binding._SIGNATURES)
        monkeypatch.setattr(binding, "_loops", lambda: library)

    return processor
