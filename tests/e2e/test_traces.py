"""One trace from the order of a song to the webhook that tells of its end."""

from pathlib import Path

import pytest

from services.local.client import Client
from tests.collector import Collector
from tests.e2e.jobs import NewAccount, eventually
from tests.e2e.songs import music, write_wav_16
from tests.e2e.test_events import as_partner
from tests.ids import numbered
from tests.services.notifier.sink import sink

pytestmark = pytest.mark.e2e

WAY = {
    ("gateway", "POST /v1/jobs"),
    ("orchestrator", "POST /v1/jobs"),
    ("accounts", "handle stemwright.events.v1.ReservationRequested"),
    ("orchestrator", "handle stemwright.events.v1.ReservationGranted"),
    ("worker", "handle stemwright.events.v1.SeparationAssigned"),
    ("worker", "separation"),
    ("worker", "engine"),
    ("worker", "upload"),
    ("worker", "commit"),
    ("orchestrator", "handle stemwright.events.v1.SeparationFinished"),
    ("accounts", "handle job.succeeded"),
    ("notifier", "handle job.succeeded"),
    ("notifier", "POST webhook"),
}


def test_a_trace_goes_from_the_call_through_outbox_event_log_and_worker_to_the_webhook(
    collector: Collector, new_account: NewAccount, admin: Client, tmp_path: Path
) -> None:
    account = new_account()
    ours, caller = bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736"), bytes.fromhex("00f067aa0ba902b7")
    key = as_partner(admin, account)
    with sink() as partner:
        upload = account.upload(write_wav_16(tmp_path / "song.wav", music(2)))
        account.http.post(
            "/v1/jobs",
            json={"upload_id": upload["id"], "mode": "preview", "callback_url": f"{partner.url}/done"},
            headers={
                "Authorization": f"Bearer {key}",
                "Idempotency-Key": numbered("job", 1),
                "traceparent": f"00-{ours.hex()}-{caller.hex()}-01",
            },
        ).raise_for_status()
        eventually(lambda: len(partner.received) > 0, "the callback")
        [told] = partner.received

        def told_of(way: set[tuple[str, str]]) -> bool:
            """Whether those spans have come, and of every span the one that it hangs on, up to the caller's."""
            spans = list(collector.trace(ours).values())
            known = {span.span_id for _, span in spans} | {caller}
            whole = all(span.parent_span_id in known for _, span in spans)
            return whole and {(service, span.name) for service, span in spans} >= way

        eventually(lambda: told_of(WAY), "the spans of the way, none of which begins anew")
    version, trace, sender, _ = told.headers["traceparent"].split("-")
    assert (version, trace) == ("00", ours.hex())
    service, span = collector.trace(ours)[bytes.fromhex(sender)]
    assert (service, span.name) == ("notifier", "POST webhook")
