"""All tables of the orchestrator, for its migrations and their test."""

from services.orchestrator.administration.models import DeadLetterDecision, JobMeasure, QueuePause, QueueSample
from services.orchestrator.batches.models import Batch
from services.orchestrator.credits.models import KnownBalance, KnownRate, PreviewCredit, StandingQuote
from services.orchestrator.feedback.models import Feedback
from services.orchestrator.jobs.models import Job, JobEvent
from services.orchestrator.results.models import Deletion
from services.orchestrator.shares.models import KnownAccount, Share
from services.orchestrator.tables import Base
from services.orchestrator.uploads.models import KnownUpload
from services.orchestrator.workers.models import Worker

__all__ = [
    "Base",
    "Batch",
    "DeadLetterDecision",
    "Deletion",
    "Feedback",
    "Job",
    "JobEvent",
    "JobMeasure",
    "KnownAccount",
    "KnownBalance",
    "KnownRate",
    "KnownUpload",
    "PreviewCredit",
    "QueuePause",
    "QueueSample",
    "Share",
    "StandingQuote",
    "Worker",
]
