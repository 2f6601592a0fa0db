"""Compiles the engine's kernels when the package is built or installed, for every processor that they know.

The compiler comes as the wheel ``ziglang``, so nothing of the machine's own is needed, and nothing of it afterwards.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What is compiled for what. The network's kernels are for AVX2 and fused multiplication, which came in 2013, and for
# AVX-512, with vectors twice as wide (record 0113).
_X86_64, _X86_64_V3, _X86_64_V4 = (
    ("-target", "x86_64-linux-gnu.2.17", f"-mcpu={name}") for name in ("x86_64", "x86_64_v3", "x86_64_v4")
)
_AARCH64 = ("-target", "aarch64-linux-gnu.2.17")
_LIBRARIES = {
    "separation/audio/loops.c": {"x86_64": _X86_64, "x86_64_v3": _X86_64_V3, "aarch64": _AARCH64},
    "separation/spectral/loops.c": {"x86_64": _X86_64, "x86_64_v3": _X86_64_V3, "aarch64": _AARCH64},
    "separation/models/runtimes/unet/kernels.c": {
        "x86_64_v3": _X86_64_V3,
        "x86_64_v4": _X86_64_V4,
        "aarch64": _AARCH64,
    },
}
_TAG = "py3-none-manylinux_2_17_x86_64.manylinux_2_17_aarch64"
"""Any Python, and the processors for which there are kernels (record 0091)."""
_OPTIONS = (
    *("-std=c11", "-O3", "-ffp-contract=on", "-fno-math-errno"),
    *("-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-nostdlib", "-s"),
)


class KernelsHook(BuildHookInterface):
    """hatchling's name for it is ``custom``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        build_data["tag"] = _TAG
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
            for name, targets in _LIBRARIES.items():
                source = Path(self.root, name)
                for processor, target in targets.items():
                    library = source.with_name(f"{source.stem}-{processor}.so")
                    made = Path(cache, library.name)
                    compiler = [sys.executable, "-m", "ziglang", "cc", *_OPTIONS, *target]
                    subprocess.run([*compiler, "-o", made, source], check=True, env=environment)
                    # A running process keeps the file that it has loaded.
                    beside = library.with_name(f".{library.name}")
                    beside.write_bytes(made.read_bytes())
                    beside.replace(library)
                    build_data["artifacts"].append(str(library.relative_to(self.root)))
