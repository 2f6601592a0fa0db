"""Settings of the orchestrator (`STEMWRIGHT_ORCHESTRATOR_...`)."""

from services.kit.settings import KitSettings, service_config


class Settings(KitSettings):
    """Times are for production; one machine and tests scale them down."""

    model_config = service_config("orchestrator")

    default_model: str = "spleeter-2stems"
    lease_seconds: float = 60.0
    """A worker that is not heard of for this long loses what it runs."""
    resend_seconds: float = 20.0
    """An assignment that no heartbeat confirms is sent again after this."""
    worker_expiry_seconds: float = 45.0
    """A worker silent for this long gets no new work."""
    sweep_seconds: float = 10.0
    ask_again_seconds: float = 5.0
    """First wait before an unanswered question to a sibling is repeated; it doubles up to `ask_again_limit_seconds`."""
    ask_again_limit_seconds: float = 60.0
    retry_base_seconds: float = 10.0
    """Wait before the second attempt; four times longer before the third."""
    max_attempts: int = 3
    max_silent_deaths: int = 2
    """A job that took this many workers with it is not given to another."""
    attempt_limit_seconds: float = 3600.0
    """An attempt that runs longer is taken back, heartbeats or not."""
    queue_limit_seconds: float = 86_400.0
    """A job that waited this long fails, and its credits go back."""
    answer_wait_seconds: float = 2.0
    """How long `POST /v1/jobs` waits for accounts before it answers 202."""
    preview_seconds: float = 30.0
    """Default and longest length of a preview."""
    preview_start_seconds: float = 30.0
    """Where a preview starts by itself in a song that is long enough, past most intros."""
    presigned_url_seconds: int = 3600
    quote_seconds: int = 900
    zombie_sweep_seconds: float = 3600.0
    """Objects of ended attempts are deleted once more after this, should a worker have woken up late."""
