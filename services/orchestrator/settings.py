"""Settings of the orchestrator (`STEMWRIGHT_ORCHESTRATOR_...`)."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from services.kit.settings import (
    ConsumerGroupSettings,
    DatabaseSettings,
    OutboundSettings,
    ServiceSettings,
    StorageSettings,
    TokenVerifierSettings,
    service_config,
)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(
    ServiceSettings, DatabaseSettings, ConsumerGroupSettings, StorageSettings, TokenVerifierSettings, OutboundSettings
):
    """Times are for production; one machine and tests scale them down."""

    model_config = service_config("orchestrator")

    default_model: str = "spleeter-2stems"
    """The model for orders that name none."""
    candidate_model: str | None = None
    """A model on trial, which some workers serve beside the default one."""
    candidate_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the songs that it gets, of those whose order names no model."""
    lease_seconds: Seconds = 60.0
    """A worker that is not heard of for this long loses what it runs."""
    resend_seconds: Seconds = 20.0
    """An assignment that no heartbeat confirms is sent again each time this has passed."""
    worker_expiry_seconds: Seconds = 45.0
    """A worker silent for this long gets no new work."""
    sweep_seconds: Seconds = 10.0
    """How often lapsed leases, silent questions and jobs that wait too long are looked for."""
    ask_again_seconds: Seconds = 5.0
    """First wait before an unanswered question to a sibling is repeated; it doubles up to `ask_again_limit_seconds`."""
    ask_again_limit_seconds: Seconds = 60.0
    """Longest wait between two such questions."""
    retry_base_seconds: Seconds = 10.0
    """Wait before the second attempt; four times longer before the third."""
    max_attempts: Annotated[int, Field(ge=1)] = 3
    """A job that failed this often for reasons that may pass fails for good."""
    max_silent_deaths: Annotated[int, Field(ge=1)] = 2
    """A job that took this many workers with it is not given to another."""
    attempt_limit_seconds: Seconds = 3600.0
    """An attempt that runs longer is taken back, heartbeats or not."""
    queue_limit_seconds: Seconds = 86_400.0
    """A job that has not run to its end this long after it was made fails, and its credits go back."""
    answer_wait_seconds: Annotated[float, Field(ge=0)] = 2.0
    """How long `POST /v1/jobs` waits for accounts before it answers 202."""
    preview_seconds: Seconds = 30.0
    """Default and longest length of a preview."""
    preview_start_seconds: Annotated[float, Field(ge=0)] = 31.0
    """Where a preview starts by itself if it is not known where someone sings, past most intros. The six seconds from
    there on lie in a single patch of the network; from 30 s on they take two, and the first sound comes half as late
    again."""
    presigned_url_seconds: int = 3600
    """How long the address of a result works."""
    quote_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    """How long a quote binds: a job of the same upload, mode, tier and model costs what it says."""
    renderings_at_once: Annotated[int, Field(ge=1)] = 2
    """Files for DJ software that are made at a time, and as many mixes, each in a process of a low priority, of 190 MB
    and less; more are refused, 503, until one is done."""
    results_kept_days: Annotated[float, Field(gt=0, le=36_500)] | None = None
    """Stems are deleted this long after their job succeeded. Not set: they are kept until the job is deleted."""
    previews_kept_per_account: Annotated[int, Field(ge=1)] = 100
    """Previews of one account whose stems are kept, the newest ones: previews cost nothing, and one of eight channels
    at 192 kHz has 580 MB."""
    zombie_sweep_seconds: Seconds = 3600.0
    """Objects of ended attempts are deleted once more after this, should a worker have woken up late."""
    open_jobs_per_account: Annotated[int, Field(ge=1)] = 2000
    """Jobs of one account that have not ended, those of batches aside; more are refused, 429, until some have."""
    open_batches_per_account: Annotated[int, Field(ge=1)] = 5
    """Batches of one account that have not ended, or whose end accounts has not booked for every song, each of up to a
    thousand songs; the same."""
    waiting_jobs_per_account: Annotated[int, Field(ge=1)] = 200
    """Those among them whose upload is not complete: no credits are held for them yet."""
    waiting_requests: Annotated[int, Field(ge=0)] = 16
    """Requests that may wait for a sibling's answer at a time; more are answered at once, 202 where others get 201."""

    @model_validator(mode="after")
    def _times_fit_together(self) -> Self:
        if not self.resend_seconds < self.lease_seconds:
            raise ValueError(
                f"STEMWRIGHT_ORCHESTRATOR_RESEND_SECONDS ({self.resend_seconds:g}) must be shorter than "
                f"STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS ({self.lease_seconds:g})"
            )
        if not self.worker_expiry_seconds <= self.lease_seconds:
            raise ValueError(
                f"STEMWRIGHT_ORCHESTRATOR_WORKER_EXPIRY_SECONDS ({self.worker_expiry_seconds:g}) must not be above "
                f"STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS ({self.lease_seconds:g})"
            )
        return self

    @model_validator(mode="after")
    def _rollout_has_a_candidate(self) -> Self:
        if self.candidate_share and self.candidate_model is None:
            raise ValueError(
                f"STEMWRIGHT_ORCHESTRATOR_CANDIDATE_SHARE ({self.candidate_share:g}) needs "
                "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL"
            )
        if self.candidate_model == self.default_model:
            raise ValueError(
                "STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL must be another one than "
                f"STEMWRIGHT_ORCHESTRATOR_DEFAULT_MODEL ({self.default_model})"
            )
        return self
