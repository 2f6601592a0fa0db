"""Events that accounts acts on: the orchestrator's questions, the ends of jobs, what services have erased, what
operators did, and which webhook endpoints nothing is sent to any more."""

from collections.abc import Mapping

from google.protobuf.message import Message

from services.accounts.accounts import Accounts
from services.accounts.ledger.batches import BatchRequest
from services.accounts.ledger.holds import Ending
from services.accounts.ledger.service import AccountMismatchError, HoldRequest
from services.accounts.plans.news import tell_rates
from services.accounts.security_events.service import note_operator
from services.kit.database import WriteSession
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer, Handler
from services.kit.events.errors import InvalidMessage
from services.kit.events.rights import writes_of
from services.kit.events.topics import ACCOUNT_RECEIPTS, AUDIT, JOBS_EVENTS, JOBS_INTERNAL, WEBHOOKS
from services.kit.handling import in_transaction
from services.kit.protos import accounts_pb2, audit_pb2, jobs_pb2, webhooks_pb2
from services.kit.settings import ConsumerGroupSettings

ENDINGS: Mapping[str, Ending] = {
    "job.succeeded": Ending.CAPTURE,
    "job.failed": Ending.RELEASE,
    "job.canceled": Ending.RELEASE,
    "job.rejected": Ending.RELEASE,
}


def job_consumer(settings: ConsumerGroupSettings, accounts: Accounts) -> Consumer:
    """The background task that reads what accounts acts on."""
    return Consumer(
        Brokers.of(settings),
        name="accounts",
        group="accounts",
        sole=settings.kafka_sole_consumers,
        writes=writes_of("accounts"),
        topics=[JOBS_INTERNAL, JOBS_EVENTS, ACCOUNT_RECEIPTS, AUDIT, WEBHOOKS],
        handlers=handlers(accounts),
    )


def handlers(accounts: Accounts) -> Mapping[type[Message] | str, Handler]:
    """The handler of each event.

    There is no inbox: the orchestrator repeats a question, with the same event id, until it has heard the answer, so a
    repetition must be answered again. The effect happens once because it is bound to the job's id.
    """

    def on_reservation_requested(session: WriteSession, event: Event) -> None:
        asked: jobs_pb2.ReservationRequested = event.data
        preview = asked.mode == jobs_pb2.JOB_MODE_PREVIEW
        request = HoldRequest(asked.job_id, asked.account_id, asked.price_credits, preview)
        try:
            accounts.billing.reserve(session, request)
        except AccountMismatchError as error:
            raise InvalidMessage(str(error)) from error

    def on_batch_reservation_requested(session: WriteSession, event: Event) -> None:
        asked: jobs_pb2.BatchReservationRequested = event.data
        prices = {share.job_id: share.price_credits for share in asked.shares}
        preview = asked.mode == jobs_pb2.JOB_MODE_PREVIEW
        try:
            accounts.batch_holds.reserve(session, BatchRequest(asked.batch_id, asked.account_id, prices, preview))
        except AccountMismatchError as error:
            raise InvalidMessage(str(error)) from error

    def on_balance_requested(session: WriteSession, event: Event) -> None:
        asked: jobs_pb2.BalanceRequested = event.data
        accounts.billing.tell_balance(session, asked.account_id)

    def on_rates_requested(session: WriteSession, _event: Event) -> None:
        tell_rates(session)

    def on_endpoint_disabled(session: WriteSession, event: Event) -> None:
        accounts.webhook_notices.endpoint_disabled(session, event)

    def on_erased(session: WriteSession, event: Event) -> None:
        accounts.erasures.note_receipt(session, event.data)

    def on_job_ended(session: WriteSession, event: Event) -> None:
        job = event.data["job"]
        try:
            # Whoever cancels a preview that runs has had its share of a processor.
            keep = event.type == "job.canceled" and job.get("started_at") is not None
            accounts.billing.end_hold(session, job["id"], job["account_id"], ENDINGS[event.type], keep_allowance=keep)
        except AccountMismatchError as error:
            raise InvalidMessage(str(error)) from error

    return {
        accounts_pb2.AccountErasureReceipt: in_transaction(accounts.database, on_erased),
        webhooks_pb2.WebhookEndpointDisabled: in_transaction(accounts.database, on_endpoint_disabled),
        audit_pb2.OperatorActed: in_transaction(accounts.database, note_operator),
        jobs_pb2.ReservationRequested: in_transaction(accounts.database, on_reservation_requested),
        jobs_pb2.BatchReservationRequested: in_transaction(accounts.database, on_batch_reservation_requested),
        jobs_pb2.BalanceRequested: in_transaction(accounts.database, on_balance_requested),
        jobs_pb2.RatesRequested: in_transaction(accounts.database, on_rates_requested),
        **dict.fromkeys(ENDINGS, in_transaction(accounts.database, on_job_ended)),
    }
