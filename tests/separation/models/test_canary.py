"""The canary: the right answer passes in other arithmetic too, a wrong one does not."""

import numpy as np
import pytest

from separation.errors import ModelAnswerInvalid
from separation.models.canary import Canary, block_means, canary_patch
from separation.models.repository import DEFAULT_MODEL, ModelRepository


def test_the_canary_knows_its_network(model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    canary = model_repository.canary()
    assert canary is not None
    fractions = model_repository.load(threads=2).fractions(canary_patch(manifest))[0]
    canary.check(fractions, manifest)
    canary.check(fractions.astype(np.float16).astype(np.float32), manifest)
    wrongs = [fractions[::-1], fractions[..., ::-1], fractions + np.float32(0.006), np.full_like(fractions, np.nan)]
    for wrong in wrongs:
        with pytest.raises(ModelAnswerInvalid, match="canary wrongly"):
            canary.check(wrong, manifest)
    again = Canary.from_json(canary.to_json(), manifest)
    np.testing.assert_allclose(again.means, block_means(fractions), atol=0.001)


def test_an_imported_model_has_its_canary(model_repository: ModelRepository) -> None:
    assert (model_repository.folder(DEFAULT_MODEL) / "canary.json").stat().st_size < 10_000
