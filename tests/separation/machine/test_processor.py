"""What the processor can do, by files as Linux writes them; what this machine is does not matter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from separation.errors import RuntimeMissing
from separation.machine.processor import TEST_VARIABLE, compiled_for, processor_flags

V3 = "avx2 fma f16c bmi1 bmi2 abm movbe"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


def machine(folder: Path, flags: str) -> Path:
    (folder / "proc").mkdir()
    (folder / "proc/cpuinfo").write_text(f"model name\t: X\nflags\t\t: fpu {flags} sse\nbugs\t\t: y\n")
    return folder


@pytest.mark.parametrize(
    ("told", "there", "kept"),
    [
        ("all", f"{V4} amx_bf16", f"fpu sse {V4} amx_bf16"),
        ("", f"{V4} amx_bf16", f"fpu sse {V4} amx_bf16"),
        ("x86-64-v4", f"{V4} amx_bf16", V4),
        ("x86-64-v3", f"{V4} amx_bf16", V3),
        ("x86-64", f"{V4} amx_bf16", ""),
        ("x86-64-v4", V3, V3),  # more than there is is not claimed
        ("x86-64-v3", "sse4_1", ""),
    ],
)
def test_the_variable_leaves_a_part_of_what_the_processor_has(told: str, there: str, kept: str, tmp_path: Path) -> None:
    assert processor_flags(machine(tmp_path, there), {TEST_VARIABLE: told}) == set(kept.split())


def test_without_the_variable_the_processor_is_what_it_is(tmp_path: Path) -> None:
    assert processor_flags(machine(tmp_path, V3), {}) == {"fpu", "sse", *V3.split()}


def test_where_linux_does_not_tell_nothing_is_claimed(tmp_path: Path) -> None:
    assert processor_flags(tmp_path, {}) == frozenset()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("Features\t: fp asimd\n")
    assert processor_flags(tmp_path, {}) == frozenset()


def test_an_unknown_kind_of_processor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match="may be x86-64, x86-64-v3, x86-64-v4, all, not 'v5'"):
        processor_flags(tmp_path, {TEST_VARIABLE: "v5"})


@pytest.mark.parametrize(
    ("flags", "machine", "expected"),
    [
        (V4, "x86_64", ["x86_64_v4", "x86_64_v3", "x86_64"]),
        (V3, "x86_64", ["x86_64_v3", "x86_64"]),
        (f"{V3} avx512f", "x86_64", ["x86_64_v3", "x86_64"]),  # the first Xeon Phi
        ("avx2 fma f16c", "x86_64", ["x86_64"]),
        ("", "x86_64", ["x86_64"]),
        ("", "aarch64", ["aarch64"]),
        (V3, "riscv64", ["riscv64"]),
    ],
)
def test_code_is_taken_for_all_that_the_processor_has_and_no_more(
    flags: str, machine: str, expected: list[str]
) -> None:
    assert compiled_for(frozenset(flags.split()), machine) == expected


@pytest.mark.parametrize("kind", ["x86-64", "x86-64-v3", "x86-64-v4", "all"])
def test_a_process_that_is_told_so_is_on_such_a_processor(kind: str) -> None:
    """What the library, and with it every part of the platform, chooses by; here, whatever this machine is."""
    code = "from separation.machine.processor import compiled_for; print(*compiled_for())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, TEST_VARIABLE: kind},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    allowed = {"x86-64": 0, "x86-64-v3": 1}.get(kind, 2)
    here = compiled_for(processor_flags(environment={}))
    levels, machine = here[:-1], here[-1]
    assert said.stdout.split() == [*levels[max(0, len(levels) - allowed) :], machine]
