"""The configuration of a run: a TOML file, checked.

``debug``, ``base`` and ``finetune`` lie in ``training/configs``; a path leads to a file of one's own. Every field has
its unit in its name or here. A field that is not known is an error.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigInvalid

CONFIGS = Path(__file__).parent / "configs"

Share = Annotated[float, Field(ge=0, le=1)]
SourceKind = Literal["musdb18", "musdb18-hq", "stems", "solo"]
Split = Literal["train", "validation", "test"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkConfig(_Section):
    """The network and its first weights."""

    stems: tuple[str, ...] = Field(default=("vocals", "accompaniment"), min_length=1)
    channels: int = Field(default=16, ge=1)
    """Width of the first level; the published networks have 16."""
    dropout: Share = 0.5
    statistics: Literal["batch", "fixed"] = "batch"
    """Norms use those of each batch and collect them for later, or keep what they start with."""
    start: str = "random"
    """``random``, ``published`` for Spleeter's weights, or the path of a checkpoint."""
    trained: tuple[str, ...] = ()
    """Only parameters that begin so are trained, such as ``up6``; empty: all. Norms of the others stay as they are."""

    @model_validator(mode="after")
    def _published_norms_have_no_statistics(self) -> Self:
        if self.start == "published" and self.statistics != "fixed":
            raise ValueError("the published networks' norms never collected statistics: set statistics to fixed")
        return self


class PatchConfig(_Section):
    """What the network sees at once, in training and when it serves."""

    frames: int = Field(default=512, ge=128, multiple_of=64)
    bins: int = Field(default=1024, ge=64, le=2048, multiple_of=64)


class SourceConfig(_Section):
    """One data set; ``training.sources`` describes the kinds. ``path`` is relative to the run's data folder."""

    kind: SourceKind
    path: str = "."
    split: Split | None = None
    """Of MUSDB18; the validation split is the one of the package musdb."""
    part: str | None = None
    """Of ``solo``: which part the files hold."""
    licence: str = "unknown"
    """An SPDX identifier; goes into the model's card. One that is not free (``training.licences``) keeps the model from
    becoming the default."""
    limit: int | None = Field(default=None, ge=1)
    """Only that many tracks, the first by name."""


class RemixConfig(_Section):
    """How training patches differ from the songs they come from. All is drawn anew for each patch."""

    probability: Share = 0.5
    """Of each stem coming from a song and a place of its own."""
    gain_db: tuple[float, float] = (-10.0, 6.0)
    """Each stem's gain is drawn evenly between the two."""
    swap_probability: Share = 0.5
    """Of left and right changing sides, per stem."""
    stretch_probability: Share = 0.2
    """Of another pitch and tempo; stems of one song keep together."""
    pitch_semitones: float = Field(default=2.0, ge=0, le=12)
    """At most that much up or down."""
    tempo_change: float = Field(default=0.12, ge=0, le=0.5)
    """At most that much faster or slower, as a share."""


class DataConfig(_Section):
    training: tuple[SourceConfig, ...] = Field(min_length=1)
    validation: tuple[SourceConfig, ...] = Field(min_length=1)
    remix: RemixConfig = RemixConfig()
    workers: int = Field(default=4, ge=0)
    """Processes that prepare patches, for each process that trains; the patches do not depend on their number."""


class OptimisationConfig(_Section):
    """Adam (D. Kingma, J. Ba, ICLR 2015) with a linear warm-up and half a cosine down to ``final_learning_rate``."""

    steps: int = Field(ge=1)
    batch: int = Field(default=4, ge=1)
    """Patches for each process at once."""
    accumulation: int = Field(default=1, ge=1)
    """Batches whose gradients are averaged for one step."""
    learning_rate: float = Field(default=1e-4, gt=0)
    final_learning_rate: float = Field(default=1e-6, ge=0)
    warmup_steps: int = Field(default=0, ge=0)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    """Of the moving average of the weights, which is what is validated and exported."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the network; magnitudes and loss are always fp32."""


class ValidationConfig(_Section):
    every_steps: int = Field(ge=1)
    patches: int = Field(default=128, ge=1)
    """Spread evenly over the validation songs; the same each time."""
    patience: int | None = Field(default=None, ge=1)
    """The run ends after that many validations without a better loss; none: it never ends early."""
    audio: int = Field(default=2, ge=0)
    """Patches of which TensorBoard gets mixture, estimates and targets to hear."""


class RunConfig(_Section):
    seed: int = Field(default=0, ge=0)
    network: NetworkConfig = NetworkConfig()
    patch: PatchConfig = PatchConfig()
    data: DataConfig
    optimisation: OptimisationConfig
    validation: ValidationConfig
    log_every_steps: int = Field(default=20, ge=1)
    checkpoint_every_steps: int = Field(default=1000, ge=1)

    def fingerprint(self) -> dict[str, Any]:
        """All that decides the numbers of a run, to be compared when it goes on."""
        fields = self.model_dump(mode="json", exclude={"log_every_steps": True, "checkpoint_every_steps": True})
        del fields["data"]["workers"]
        return fields


def load_config(name: str) -> RunConfig:
    """The packaged configuration of that name, or the file of that path. Raises ``ConfigInvalid``."""
    path = CONFIGS / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    try:
        return RunConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise ConfigInvalid(f"{name} is neither a file nor one of {known}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path} is not TOML: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigInvalid(f"{path} cannot be used: {problems}.") from error
