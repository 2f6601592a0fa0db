"""Which model separates a new job: the default, or a candidate for its share of the songs. Pure."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rollout:
    """`share` of the songs, 0 to 1, goes to the model `candidate`, the others to `default`."""

    default: str
    candidate: str | None
    share: float

    def model_for(self, upload_id: str, served: Collection[str]) -> str:
        """The model for jobs of this upload, of which workers serve those in `served` now.

        By the upload, not by chance: a song's preview and its full separation come from the same model.
        """
        if self.candidate is None or self.candidate not in served:
            return self.default
        drawn = int.from_bytes(hashlib.sha256(upload_id.encode()).digest()[:8])
        return self.candidate if drawn < self.share * 2**64 else self.default
