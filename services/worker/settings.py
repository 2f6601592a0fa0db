"""The worker's settings."""

import tempfile
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr

from separation.settings import Device
from services.kit.settings import TASK_STOP_SECONDS, KafkaSettings, ServiceSettings, StorageSettings, service_config

GIVING_UP_SECONDS = 30.0
"""What comes after the grace, at most: the last chunk (`slots`), and word of it to the orchestrator (`heartbeat`)."""


class Settings(ServiceSettings, KafkaSettings, StorageSettings):
    """Read from `STEMWRIGHT_WORKER_<FIELD>`, but for the repository, which every command shares."""

    model_config = service_config("worker")

    slots: int = Field(1, ge=1, le=64)
    """Songs separated at the same time. On a CPU one slot with all threads ends each song soonest."""

    threads: int = Field(0, ge=0, le=256)
    """Processor threads of the network, which the slots share; 0: as many as this process may keep busy."""

    heartbeat_seconds: float = Field(15.0, gt=0, le=60)
    """Well below a third of the orchestrator's lease."""

    progress_seconds: float = Field(0.25, gt=0)
    """Progress of a running attempt is told no more often than this."""

    grace_seconds: float = Field(20.0, ge=0)
    """What running attempts get to end by themselves when the process is told to stop."""

    stuck_seconds: float = Field(900.0, gt=0)
    """A running attempt without progress for this long ends the process; longer than the slowest PUT of one stem."""

    temp_dir: Path = Path(tempfile.gettempdir()) / "stemwright-worker"
    """Where sources and stems lie while an attempt runs; emptied after each, and of dead processes at start."""

    model: str = "spleeter-2stems"
    """The models that this worker serves and announces; several are separated by commas."""

    device: Device = "auto"
    """`gpu`: a worker whose network runs on a CPU is not ready; `cpu`: none is used; `auto`: what there is."""

    triton_address: str = ""
    """`host:port` of a Triton server's gRPC endpoint; empty: the network runs in this process."""

    triton_key: SecretStr = SecretStr("")
    """Opens what the server restricts by `--grpc-restricted-protocol=shared-memory:stemwright=KEY`."""

    triton_shared_memory: bool = False
    """Patches go through memory instead of messages; for a server on this machine that shares `/dev/shm`."""

    triton_window: int = Field(4, ge=1, le=64)
    """Patches at the server at the same time, of all slots together."""

    triton_call_timeout_seconds: float = Field(20.0, gt=0)
    """For one patch, from its sending to its answer."""

    triton_answer_timeout_seconds: float = Field(60.0, gt=0)
    """How long a patch is sent again while the server is away, busy or silent; then the attempt is given up."""

    model_repository: Path | None = Field(None, validation_alias=AliasChoices("STEMWRIGHT_MODEL_REPOSITORY"))
    """Folder of models; where absent, `models/repository` of the checkout or the user's data folder."""

    storage_attempts: int = Field(5, ge=1)
    """How often a call to the object store is tried in place before the attempt is given up."""

    storage_backoff_seconds: float = Field(0.25, gt=0)
    """Upper bound of the first pause between two tries; doubles with each, up to 4 s."""

    @property
    def stop_seconds(self) -> float:
        """As with every service; a worker has no clients, whose requests would be waited for."""
        return self.grace_seconds + GIVING_UP_SECONDS + TASK_STOP_SECONDS

    @property
    def models(self) -> list[str]:
        """The names in `model`."""
        return [name.strip() for name in self.model.split(",") if name.strip()]
