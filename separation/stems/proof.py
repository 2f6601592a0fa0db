"""Whether the stems sum to their song, as is promised. Those that do not are never handed out."""

from separation.errors import ExceedsFullScale, StemsDoNotNull
from separation.manifest import Manifest

NULL_LIMIT_DBFS = -90.0
"""What the sum of the stems may differ from the mixture by, RMS: less than one step of 16 bits, which is rounding."""


def check_sum(manifest: Manifest) -> None:
    """Raises ``ExceedsFullScale`` where only the format's full scale is in the way, else ``StemsDoNotNull``."""
    residual = manifest.quality.null_residual_dbfs
    if residual is None or residual <= NULL_LIMIT_DBFS:
        return
    if any(stem.limited_samples for stem in manifest.stems):
        raise ExceedsFullScale(
            f"This song goes above full scale, further than {manifest.stems[0].format.upper()} can hold; "
            "ask for WAV with 32 bits."
        )
    raise StemsDoNotNull("The separated parts of this song did not add up to it, so they were thrown away.")
