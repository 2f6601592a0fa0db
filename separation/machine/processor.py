"""What the processor can do, as far as this process is to make use of it."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from separation.errors import RuntimeMissing

TEST_VARIABLE = "STEMWRIGHT_TEST_PROCESSOR"
"""For tests: makes this process and those it starts take an x86-64 processor for a smaller one. ``x86-64`` has none of
the instruction sets that anything here asks for, ``x86-64-v3`` and ``x86-64-v4`` those of that level at most, ``all``
what there is. Nothing is claimed that the machine lacks. On other processors it changes nothing."""

# By what compilers call them. v3: AVX2 and fused multiplication, which came in 2013. v4: the first AVX-512, of 2017.
_X86_64_V3 = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe"})
_X86_64_V4 = _X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_LEVELS = {"x86_64_v4": _X86_64_V4, "x86_64_v3": _X86_64_V3}
_KINDS = {"x86-64": frozenset[str](), "x86-64-v3": _X86_64_V3, "x86-64-v4": _X86_64_V4, "all": None}

_FILE_SYSTEM = Path("/")


def processor_flags(system: Path = _FILE_SYSTEM, environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Names of the processor's instruction sets as Linux gives them, of those that ``TEST_VARIABLE`` leaves.

    Empty where Linux does not tell. ``system``: the folder that holds ``proc``. Raises ``RuntimeMissing`` where the
    variable says something else.
    """
    kind = environment.get(TEST_VARIABLE) or "all"
    if kind not in _KINDS:
        raise RuntimeMissing(f"{TEST_VARIABLE} may be {', '.join(_KINDS)}, not {kind!r}.")
    try:
        description = (system / "proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    found = re.search(r"^flags\s*:(.*)$", description, re.MULTILINE)
    flags = frozenset(found[1].split() if found else ())
    kept = _KINDS[kind]
    return flags if kept is None else flags & kept


def compiled_for(flags: frozenset[str] | None = None, machine: str | None = None) -> list[str]:
    """What compiled code may be made for to run on a processor with these instruction sets, best first.

    By default on this one. ``machine``: as ``platform.machine`` names it.
    """
    machine = machine or platform.machine()
    if machine != "x86_64":
        return [machine]
    flags = processor_flags() if flags is None else flags
    return [*(level for level, needed in _LEVELS.items() if flags >= needed), machine]
