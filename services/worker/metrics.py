"""What the worker counts."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("worker_attempts_total", "Attempts that ended, by how and, where they failed, by code.", ["outcome"])
BUSY_SLOTS = Gauge("worker_busy_slots", "Slots that separate a song now.")
STAGE_SECONDS = Histogram(
    "worker_stage_seconds",
    "Seconds of an attempt by stage: download, engine, upload, total.",
    ["stage"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
)
ASSIGNMENTS = Counter("worker_assignments_total", "Assignments read, by what was done with them.", ["verdict"])
