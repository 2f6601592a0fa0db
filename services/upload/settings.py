"""Settings of the upload service; each is read from `STEMWRIGHT_UPLOAD_<FIELD>`."""

from pathlib import Path

from pydantic import Field

from services.kit.events.contracts import MAX_SONG_SECONDS
from services.kit.settings import (
    ConsumerGroupSettings,
    DatabaseSettings,
    OutboundSettings,
    ServiceSettings,
    StorageSettings,
    TokenVerifierSettings,
    service_config,
)

MEBIBYTE = 1024 * 1024

MAX_SIZE_BYTES = 2048 * MEBIBYTE
"""What the public document says; two hours of 24-bit stereo at 96 kHz are not far above."""


class Settings(
    ServiceSettings,
    DatabaseSettings,
    ConsumerGroupSettings,
    StorageSettings,
    TokenVerifierSettings,
    OutboundSettings,
):
    """Limits of what is accepted, and how it is checked."""

    model_config = service_config("upload")

    # What is accepted.
    max_size_bytes: int = Field(MAX_SIZE_BYTES, ge=1, le=5000 * MEBIBYTE)
    """Two hours of 24-bit stereo at 96 kHz are not far above; one S3 copy moves at most 5 GB."""
    max_duration_seconds: float = Field(7200, gt=0, le=MAX_SONG_SECONDS)
    """Longest song; a longer one is rejected."""
    max_decoded_samples: int = Field(3_000_000_000, ge=1)
    """Over all channels: two hours of stereo at 192 kHz, or of 7.1 at 48 kHz, with room to spare."""
    min_sample_rate_hz: int = Field(8_000, ge=1)
    """Lowest sampling rate that is accepted."""
    max_sample_rate_hz: int = Field(192_000, ge=1)
    """Highest sampling rate that is accepted."""
    max_channels: int = Field(8, ge=1)
    """Most channels of a song: 8 are 7.1."""
    max_pending_per_account: int = Field(200, ge=1)
    """Uploads of one account that wait for bytes at the same time."""
    max_stored_bytes_per_account: int = Field(100 * 1024 * MEBIBYTE, ge=1)
    """Bytes of all uploads of one account, those that wait for bytes included, until they are deleted."""
    max_uploads_per_account: int = Field(10_000, ge=1)
    """Uploads that one account keeps, rejected ones included, until they are deleted."""
    max_ready_uploads_per_account: int = Field(2_000, ge=1)
    """Those among them that are ready to be separated, or still may be."""

    # How bytes arrive.
    part_size_bytes: int = Field(8 * MEBIBYTE, ge=5 * MEBIBYTE, le=64 * MEBIBYTE)
    """Size of a part, unless the file would then have more parts than S3 takes."""
    part_url_seconds: int = Field(3600, ge=60, le=7 * 24 * 3600)
    """How long a presigned URL of a part works; the upload itself may take longer, with fresh URLs."""
    pending_seconds: int = Field(24 * 3600, ge=1)
    """An upload whose bytes have not come by then is rejected and its parts are thrown away."""
    max_transfers: int = Field(16, ge=1)
    """Files streamed through `PUT .../content` at the same time; each holds one part in memory. The last quarter is for
    accounts that have none."""
    max_transfers_per_account: int = Field(3, ge=1)
    """The same, of one account."""
    transfer_idle_seconds: float = Field(30, gt=0)
    """A body of which nothing comes for so long is given up."""
    transfer_bytes_per_second: int = Field(8 * 1024, ge=0)
    """A body that is slower than this over `transfer_idle_seconds` is given up too."""

    # How files are fetched from addresses; `transfer_idle_seconds` and `transfer_bytes_per_second` hold for them too.
    fetchers: int = Field(4, ge=0, le=32)
    """Files that are fetched at the same time; each holds one part in memory. 0: addresses are refused."""
    fetches_per_account: int = Field(2, ge=1)
    """The same, of one account, by all processes together."""
    fetch_seconds: float = Field(3600, gt=0)
    """How long one file may take."""
    fetch_answer_seconds: float = Field(20, gt=0)
    """How long a server may take to answer, at each of the three redirects too."""
    fetch_attempts: int = Field(3, ge=1)
    """How often a server is asked that does not answer, breaks off, or has a fault of its own."""
    fetch_retry_seconds: float = Field(10, gt=0)
    """Pause before it is asked again; each further one is twice as long."""
    fetcher_poll_seconds: float = Field(5, gt=0)
    """How often an idle fetcher looks for files that another process took in, or whose pause has ended."""

    # How they are checked.
    verdict_wait_seconds: float = Field(20, ge=0)
    """How long a request waits for the verdict before it answers `validating`."""
    max_waiting_requests: int = Field(16, ge=0)
    """Requests that may wait for verdicts; more get their answer at once."""
    validators: int = Field(4, ge=1, le=32)
    """Files that are checked at the same time."""
    validations_per_account: int = Field(2, ge=1)
    """The same, of one account, by all processes together: fewer than `validators`, or one account can keep the others
    waiting."""
    validator_poll_seconds: float = Field(2, gt=0)
    """How often an idle validator looks for files that another process took in, or whose pause has ended."""
    lease_seconds: float = Field(15, gt=0)
    """Another process takes a file up again when its validator has been silent for this long."""
    max_attempts: int = Field(3, ge=1)
    """A file whose checking ended without a verdict this often (killed, not merely put off) is rejected."""
    retry_seconds: float = Field(5, gt=0)
    """Pause before a check that could not be made is tried again: store away, disk full."""
    scratch_directory: Path | None = None
    """Where files lie while they are checked; the system's temporary directory where absent. Needs room for
    `validators` times `max_size_bytes`."""

    # Limits of the decoder's process.
    probe_wall_seconds: float = Field(180, gt=0)
    """Time by the clock."""
    probe_cpu_seconds: int = Field(180, ge=1)
    """Processor time of any file; a short one gets less, by its size and by what was decoded of it so far."""
    probe_memory_bytes: int = Field(136 * MEBIBYTE, ge=64 * MEBIBYTE)
    """Memory that decoding a file may take. What nears it by 48 MiB is rejected; three hours of M4A take 38 MiB."""

    # What is cleaned up.
    sweep_seconds: float = Field(30, gt=0)
    """How often expired uploads and objects that nobody needs are looked for."""
    multipart_sweep_seconds: float = Field(3600, gt=0)
    """How often the store is asked for unfinished multipart uploads that nobody knows; only those older than
    `pending_seconds` are thrown away."""
    tombstone_seconds: int = Field(3600, ge=0)
    """How long a deleted upload is remembered, to remove what a late request or process may still have written."""
