"""What the worker counts."""

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter(
    "stemwright_worker_attempts_total", "Attempts that ended, by how and, where they failed, by code.", ["outcome"]
)
BUSY_SLOTS = Gauge("stemwright_worker_busy_slots", "Slots that separate a song now.")
STAGE_SECONDS = Histogram(
    "stemwright_worker_stage_seconds",
    "Seconds of an attempt by stage: download, engine, upload, total.",
    ["stage"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
)
AUDIO_SECONDS = Counter(
    "stemwright_worker_audio_seconds_total", "Seconds of music in the results of attempts; their time is in the stages."
)
ASSIGNMENTS = Counter(
    "stemwright_worker_assignments_total", "Assignments read, by what was done with them.", ["decision"]
)
INFERENCE_CALLS = Counter(
    "stemwright_worker_inference_calls_total",
    "Patches sent to an inference server, tries counted one by one, by how each ended: answered, abandoned, "
    "invalid_answer, or the status of gRPC.",
    ["outcome"],
)
INFERENCE_SECONDS = Histogram(
    "stemwright_worker_inference_seconds",
    "Seconds from a patch's sending to its answer at an inference server.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
INFERENCE_IN_FLIGHT = Gauge("stemwright_worker_inference_in_flight", "Patches at an inference server now.")
INFERENCE_READY = Gauge(
    "stemwright_worker_inference_ready", "1 while every model has answered its canary patch rightly, else 0."
)
STORE_READY = Gauge(
    "stemwright_worker_store_ready", "0 from an attempt that the object store failed on until it answers again, else 1."
)
INFERENCE_RUNTIME = Gauge("stemwright_worker_inference_runtime", "1 for what computes a model.", ["model", "runtime"])
INFERENCE_PASSED_OVER = Gauge(
    "stemwright_worker_inference_runtime_passed_over",
    "1 for a runtime that comes before the one that computes a model, but failed or answered the canary wrongly.",
    ["model", "runtime"],
)
