"""The models that a worker serves, and the server that runs them."""

from collections.abc import Iterator
from typing import Any

from separation.errors import SeparationError
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from services.doctor.findings import Finding, ok, wrong


def models(settings: Any) -> Iterator[Finding]:
    """Whether their files are those of their manifests, and whether they answer rightly where they run."""
    repository = ModelRepository(settings.model_repository)
    for name in settings.models:
        try:
            manifest = repository.verify(name)
        except SeparationError as error:
            command = f"import {name}" if name == DEFAULT_MODEL else f"add {name} FILE ..."
            advice = (
                f"Run `stemwright models {command}`, or set STEMWRIGHT_WORKER_MODEL or STEMWRIGHT_MODEL_REPOSITORY."
            )
            yield wrong(f"model {name}", error, advice)
            return
        yield ok(f"model {name}", manifest.digest)
    from services.worker.app import make_inference
    from services.worker.errors import InferenceUnavailable

    where = settings.triton_address or "this process"
    inference = make_inference(settings)
    try:
        inference.open()
        speed = inference.verify()
        yield ok(f"inference by {where}", f"{inference.runtime} on {inference.device}, {speed:.0f} s of audio a second")
    except (SeparationError, InferenceUnavailable) as error:
        yield wrong(
            f"inference by {where}",
            getattr(error, "message", error),
            "Look at STEMWRIGHT_WORKER_TRITON_ADDRESS and the server's log (docs/serving.md)."
            if settings.triton_address
            else "Another STEMWRIGHT_WORKER_DEVICE, or the model imported anew.",
        )
    finally:
        inference.close()
