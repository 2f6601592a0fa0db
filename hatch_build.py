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

_FOLDER = Path("separation", "unet")
# By the name that the processor has in Python: what is compiled for. AVX2 and fused multiplication came in 2013.
_TARGETS = {
    "x86_64": ("-target", "x86_64-linux-gnu.2.17", "-mcpu=x86_64_v3"),
    "aarch64": ("-target", "aarch64-linux-gnu.2.17"),
}
_OPTIONS = ["-std=c11", "-O3", "-ffp-contract=on", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-nostdlib", "-s"]


class KernelsHook(BuildHookInterface):
    """hatchling's name for it is ``custom``."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        folder = Path(self.root) / _FOLDER
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
            for machine, target in _TARGETS.items():
                made = Path(cache, f"kernels-{machine}.so")
                compiler = [sys.executable, "-m", "ziglang", "cc", *_OPTIONS, *target]
                subprocess.run([*compiler, "-o", made, folder / "kernels.c"], check=True, env=environment)
                # A running process keeps the file that it has loaded.
                beside = folder / f".{made.name}"
                beside.write_bytes(made.read_bytes())
                beside.replace(folder / made.name)
                build_data["artifacts"].append(str(_FOLDER / made.name))
