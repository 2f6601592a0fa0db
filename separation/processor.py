"""What the processor can do."""

import platform
import re
from pathlib import Path

# What compilers call x86-64-v3: AVX2 and fused multiplication, which came in 2013.
_X86_64_V3 = frozenset({"avx2", "fma", "f16c", "bmi1", "bmi2", "abm", "movbe"})


def processor_flags() -> frozenset[str]:
    """Names of the processor's instruction sets as Linux gives them; empty where it does not tell."""
    try:
        description = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    flags = re.search(r"^flags\s*:(.*)$", description, re.MULTILINE)
    return frozenset(flags[1].split() if flags else ())


def has_avx2(flags: frozenset[str] | None = None) -> bool:
    """Whether a processor with these instruction sets, or this one, runs what is compiled for x86-64-v3."""
    return platform.machine() == "x86_64" and (processor_flags() if flags is None else flags) >= _X86_64_V3
