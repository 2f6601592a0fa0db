"""Which model an order gets."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from services.kit.database import ReadSession
from services.orchestrator.jobs.errors import UnknownModel
from services.orchestrator.queue.rollout import Rollout
from services.orchestrator.settings import Settings
from services.orchestrator.workers import repository as worker_rows


class ModelChoice:
    """By the order, the trial that is on, and what workers serve."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rollout = Rollout(settings.default_model, settings.candidate_model, settings.candidate_share)

    def model_for(self, session: ReadSession, upload_id: str, ordered: str | None) -> str:
        """The model that the order names, else the one that its song is for."""
        return self.models_for(session, [upload_id], ordered)[upload_id]

    def models_for(self, session: ReadSession, upload_ids: Collection[str], ordered: str | None) -> Mapping[str, str]:
        """The same for several songs, by upload."""
        if ordered is None:
            served = self._served_models(session)
            return {upload_id: self._rollout.model_for(upload_id, served) for upload_id in upload_ids}
        self.check_known(session, ordered)
        return dict.fromkeys(upload_ids, ordered)

    def check_known(self, session: ReadSession, model: str) -> None:
        """Raises `UnknownModel` for one that is neither the default nor on trial, nor of any worker heard of lately."""
        ours = {name for name in (self._settings.default_model, self._settings.candidate_model) if name}
        known = ours | worker_rows.models_of_workers(session)
        if model not in known:
            raise UnknownModel(f"models: {', '.join(sorted(known))}")

    def _served_models(self, session: ReadSession) -> set[str]:
        """Names of the models that some live worker serves."""
        now = session.now()
        since = now - timedelta(seconds=self._settings.worker_expiry_seconds)
        return {name for worker in worker_rows.live_workers(session, now, since) for name in worker.models}
