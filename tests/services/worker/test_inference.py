from pathlib import Path

import pytest
from prometheus_client import generate_latest

from separation.errors import ModelAnswerInvalid, ModelNotFound
from separation.models.runtimes.unet.model import kernels_for
from separation.models.unet import ARCHITECTURE
from services.worker.errors import InferenceUnavailable, ModelUnavailable
from services.worker.inference.local import LocalInference
from tests.services.worker.tiny_model import NAME, make_tiny_model


def test_the_model_of_the_asked_digest_is_served(tmp_path: Path) -> None:
    manifest = make_tiny_model(tmp_path)
    inference = LocalInference(tmp_path, [NAME], threads=1)
    with pytest.raises(InferenceUnavailable):
        inference.ping()
    inference.open()
    inference.ping()
    assert [model.digest for model in inference.models()] == [manifest.digest]
    assert inference.model(NAME, manifest.digest).manifest == manifest
    assert inference.verify() > 0


@pytest.mark.parametrize(("name", "digest"), [(NAME, "sha256:0"), ("another", None)])
def test_another_model_is_not_served(tmp_path: Path, name: str, digest: str | None) -> None:
    manifest = make_tiny_model(tmp_path)
    inference = LocalInference(tmp_path, [NAME], threads=1)
    inference.open()
    with pytest.raises(ModelUnavailable) as caught:
        inference.model(name, digest or manifest.digest)
    assert caught.value.retryable


def test_no_model_is_served_before_it_is_loaded(tmp_path: Path) -> None:
    manifest = make_tiny_model(tmp_path)
    with pytest.raises(ModelUnavailable):
        LocalInference(tmp_path, [NAME], threads=1).model(NAME, manifest.digest)


def test_a_missing_model_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        LocalInference(tmp_path, [NAME], threads=1).open()


def test_without_a_canary_answers_beyond_the_mixture_are_refused(tmp_path: Path) -> None:
    make_tiny_model(tmp_path, total=2.5)
    with pytest.raises(ModelAnswerInvalid, match="outside 0 to 1"):
        LocalInference(tmp_path, [NAME], threads=1).open()


def test_a_runtime_that_fails_is_passed_over_and_the_worker_says_so(tmp_path: Path) -> None:
    manifest = make_tiny_model(tmp_path, architecture=ARCHITECTURE)
    kernels = kernels_for(manifest)
    inference = LocalInference(tmp_path, [NAME], threads=1)
    inference.open()
    assert inference.verify() > 0
    assert inference.runtime.startswith("onnxruntime ")
    failed = [f"winograd {file.stem.removeprefix('kernels-')}" for file in kernels]
    assert [(one.model, one.runtime) for one in inference.passed_over] == [(NAME, runtime) for runtime in failed]
    assert all("lacks the weights" in one.reason for one in inference.passed_over)
    said = generate_latest().decode()
    assert f'stemwright_worker_inference_runtime{{model="{NAME}",runtime="{inference.runtime}"}} 1.0' in said
    for runtime in failed:
        assert f'stemwright_worker_inference_runtime_passed_over{{model="{NAME}",runtime="{runtime}"}} 1.0' in said
