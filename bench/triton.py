"""What it costs to have the network behind a Triton server on the same processors, with the same runtime.

    python -m bench.triton

Starts the real server over the imported model and asks it and the same network in this process for the same patches in
turn, round by round, so that whatever else the machine does strikes all alike. `ratio`: throughput against in-process.
The aim is 0.85 in shared memory.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from separation import separate_array
from separation.machine.quota import default_threads
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.separator import MaskModel
from services.local.probes import HttpProbe, NotThere
from services.local.sockets import LOOPBACK, free_port
from services.local.triton import install, server_arguments, server_environment
from services.worker.inference.triton.inference import TritonInference, TritonSettings
from services.worker.inference.triton.server.config import CpuTarget, Transport
from services.worker.inference.triton.server.layout import lay_out

AIM = 0.85
_START_SECONDS = 60.0
_KEY = "bench"


@contextmanager
def server(models: ModelRepository, folder: Path, transport: Transport, threads: int) -> Iterator[str]:
    """A Triton server over the default model; yields its address."""
    lay_out(models, [DEFAULT_MODEL], folder, CpuTarget(threads, transport))
    installed = install()
    grpc_port = free_port(LOOPBACK)
    http_port = free_port(LOOPBACK, avoid=[grpc_port])
    process = subprocess.Popen(
        server_arguments(installed, folder, grpc_port=grpc_port, http_port=http_port, key=_KEY),
        env={**os.environ, **server_environment(installed)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready, until = HttpProbe(f"http://{LOOPBACK}:{http_port}/v2/health/ready"), time.monotonic() + _START_SECONDS
        while True:
            try:
                ready(1.0)
                break
            except NotThere:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield f"{LOOPBACK}:{grpc_port}"
    finally:
        process.terminate()
        process.wait(20)


def answer_all(model: MaskModel, patches: NDArray[np.float32], at_once: int) -> None:
    """As many songs at once, each a patch at a time."""
    with ThreadPoolExecutor(at_once) as slots:
        for answer in [slots.submit(model.fractions, patch[None]) for patch in patches]:
            answer.result()


def compared(name: str, rounds: int, models: dict[str, MaskModel], work: Callable[[MaskModel], object]) -> None:
    """Prints the median seconds of each model, and its throughput against the first: both over all rounds."""
    seconds: dict[str, list[float]] = {way: [] for way in models}
    for number in range(rounds + 1):
        for way, model in models.items():
            begun = time.perf_counter()
            work(model)
            if number:  # the first round warms up
                seconds[way].append(time.perf_counter() - begun)
    base = sum(next(iter(seconds.values())))
    for way, measured in seconds.items():
        print(f"{name:32} {way:24} {median(measured):8.3f} {base / sum(measured):8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--threads", type=int, default=default_threads())
    arguments = parser.parse_args()
    repository = ModelRepository()
    manifest = repository.verify()
    patches = np.random.default_rng(1).gamma(1, 20, (2, 2, manifest.frames, manifest.bins)).astype(np.float32)
    song = (0.1 * np.random.default_rng(2).standard_normal((40 * 44100, 2))).astype(np.float32)
    folder = Path(tempfile.mkdtemp(prefix="bench-triton-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        address = stack.enter_context(server(repository, folder / "fp32", "fp32", arguments.threads))
        half = stack.enter_context(server(repository, folder / "fp16", "fp16", arguments.threads))
        models: dict[str, MaskModel] = {"in process": repository.load(threads=arguments.threads, device="cpu")}
        for way, at, shared in (
            ("Triton, shared memory", address, True),
            ("Triton, messages", address, False),
            ("Triton, messages, fp16", half, False),
        ):
            inference = TritonInference(repository.path, [manifest.name], TritonSettings(at, _KEY, shared))
            stack.callback(inference.close)
            inference.open()
            inference.verify()
            models[way] = inference.model(manifest.name, manifest.digest)
        print(f"{'':32} {'':24} {'seconds':>8} {'ratio':>8}")
        one, low = patches[:1], np.ascontiguousarray(patches[:1, :, :, :256])
        rounds = arguments.rounds
        compared("a patch", rounds, models, lambda model: answer_all(model, one, 1))
        compared("a patch, the lowest 256 bins", 2 * rounds, models, lambda model: answer_all(model, low, 1))
        compared("two patches of two songs", rounds // 2, models, lambda model: answer_all(model, patches[:2], 2))
        both = {way: models[way] for way in ("in process", "Triton, shared memory")}
        compared("a song of 40 s", rounds // 5, both, lambda model: separate_array(song, 44100, model=model))
    print(f"aim: a ratio of {AIM} in shared memory")


if __name__ == "__main__":
    main()
