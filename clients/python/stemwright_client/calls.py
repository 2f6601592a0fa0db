"""Each call of the API that the client makes: its request, and how its answer is read."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from stemwright_client import models
from stemwright_client.errors import UnexpectedAnswer
from stemwright_client.orders import Order
from stemwright_client.steps import Answer, Send

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True)
class Call(Generic[T]):
    """Attributes:
    key: the idempotency key of a POST that creates something.
    harmless: whether it may be sent again although nobody knows if it arrived.
    """

    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None
    harmless: bool = False

    @property
    def repeatable(self) -> bool:
        return self.harmless or self.key is not None or self.method in _REPEATABLE

    @property
    def request(self) -> Send:
        headers = {"Accept": "application/json"}
        if self.key is not None:
            headers["Idempotency-Key"] = self.key
        if self.body is None:
            return Send(self.method, self.path, self.query, headers)
        headers["Content-Type"] = "application/json"
        return Send(self.method, self.path, self.query, headers, json.dumps(self.body).encode())


def parsed(model: type[M], content: bytes | str) -> M:
    """Raises UnexpectedAnswer: something else than the platform answered."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        at = ".".join(str(part) for part in wrong["loc"]) or "the whole"
        raise UnexpectedAnswer(f"the answer is no {model.__name__}: {at}: {wrong['msg']}") from None


def _as(model: type[M]) -> Callable[[Answer], M]:
    return lambda answer: parsed(model, answer.body)


def _nothing(_answer: Answer) -> None:
    return None


def _document(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.body else None
    except ValueError:
        raise UnexpectedAnswer("the answer is no JSON") from None


def _path(template: str, *names: str) -> str:
    return template.format(*(quote(name, safe="") for name in names))


def any_call(
    method: str, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None, key: str | None
) -> Call[Any]:
    """One that has no function of its own here."""
    return Call(method, path, _document, query or {}, body, key)


def create_upload(filename: str, size_bytes: int, sha256: str | None, key: str) -> Call[models.Upload]:
    body = {"filename": filename, "size_bytes": size_bytes, **({"sha256": sha256} if sha256 else {})}
    return Call("POST", "/v1/uploads", _as(models.Upload), body=body, key=key)


def create_upload_from(source_url: str, filename: str | None, key: str) -> Call[models.Upload]:
    body = _present(source_url=source_url, filename=filename)
    return Call("POST", "/v1/uploads", _as(models.Upload), body=body, key=key)


def upload(upload_id: str) -> Call[models.Upload]:
    return Call("GET", _path("/v1/uploads/{}", upload_id), _as(models.Upload))


def uploads(cursor: str | None, limit: int) -> Call[models.Page[models.Upload]]:
    return Call("GET", "/v1/uploads", _as(models.Page[models.Upload]), _present(limit=limit, cursor=cursor))


def complete_upload(upload_id: str) -> Call[models.Upload]:
    path = _path("/v1/uploads/{}/complete", upload_id)
    return Call("POST", path, _as(models.Upload), body={}, harmless=True)


def delete_upload(upload_id: str) -> Call[None]:
    return Call("DELETE", _path("/v1/uploads/{}", upload_id), _nothing)


def create_quote(upload_id: str, order: Order) -> Call[models.Quote]:
    return Call("POST", "/v1/quotes", _as(models.Quote), body=order.quoted(upload_id), harmless=True)


def create_job(upload_id: str, order: Order, key: str) -> Call[models.Job]:
    return Call("POST", "/v1/jobs", _as(models.Job), body=order.body(upload_id), key=key)


def job(job_id: str) -> Call[models.Job]:
    return Call("GET", _path("/v1/jobs/{}", job_id), _as(models.Job))


def jobs(
    cursor: str | None, limit: int, status: str | None = None, search: str | None = None
) -> Call[models.Page[models.ListedJob]]:
    query = _present(limit=limit, cursor=cursor, status=status, search=search)
    return Call("GET", "/v1/jobs", _as(models.Page[models.ListedJob]), query)


def cancel_job(job_id: str) -> Call[models.Job]:
    return Call("POST", _path("/v1/jobs/{}/cancel", job_id), _as(models.Job), harmless=True)


def retry_job(job_id: str, key: str) -> Call[models.Job]:
    return Call("POST", _path("/v1/jobs/{}/retry", job_id), _as(models.Job), key=key)


def delete_job(job_id: str) -> Call[None]:
    return Call("DELETE", _path("/v1/jobs/{}", job_id), _nothing)


def create_batch(songs: Sequence[str | Mapping[str, Any]], order: Order, key: str) -> Call[models.Batch]:
    return Call("POST", "/v1/batches", _as(models.Batch), body=order.batch(songs), key=key)


def batch(batch_id: str) -> Call[models.Batch]:
    return Call("GET", _path("/v1/batches/{}", batch_id), _as(models.Batch), {"limit": 1})


def batches(cursor: str | None, limit: int) -> Call[models.Page[models.Batch]]:
    return Call("GET", "/v1/batches", _as(models.Page[models.Batch]), _present(limit=limit, cursor=cursor))


def batch_jobs(batch_id: str, cursor: str | None, limit: int) -> Call[models.Page[models.ListedJob]]:
    path = _path("/v1/batches/{}", batch_id)
    return Call("GET", path, _as(models.Page[models.ListedJob]), _present(limit=limit, cursor=cursor))


def cancel_batch(batch_id: str) -> Call[models.Batch]:
    return Call("POST", _path("/v1/batches/{}/cancel", batch_id), _as(models.Batch), harmless=True)


def stem_link(job_id: str, name: str) -> Call[models.StemLink]:
    return Call("GET", _path("/v1/jobs/{}/stems/{}", job_id, name), _as(models.StemLink))


def balance() -> Call[models.Balance]:
    return Call("GET", "/v1/billing/balance", _as(models.Balance))


def events(after: int | None, types: Sequence[str], wait_seconds: int, limit: int) -> Call[models.EventPage]:
    query = _present(after=after, limit=limit, wait=wait_seconds or None, types=list(types) or None)
    return Call("GET", "/v1/events", _as(models.EventPage), query)


def webhook_endpoints(cursor: str | None, limit: int) -> Call[models.Page[models.WebhookEndpoint]]:
    query = _present(limit=limit, cursor=cursor)
    return Call("GET", "/v1/webhook-endpoints", _as(models.Page[models.WebhookEndpoint]), query)


def create_webhook_endpoint(
    url: str, event_types: Sequence[str], description: str | None, key: str
) -> Call[models.MadeWebhookEndpoint]:
    body = _present(url=url, event_types=list(event_types) or None, description=description)
    return Call("POST", "/v1/webhook-endpoints", _as(models.MadeWebhookEndpoint), body=body, key=key)


def change_webhook_endpoint(endpoint_id: str, changes: Mapping[str, Any]) -> Call[models.WebhookEndpoint]:
    path = _path("/v1/webhook-endpoints/{}", endpoint_id)
    return Call("PATCH", path, _as(models.WebhookEndpoint), body=changes, harmless=True)


def delete_webhook_endpoint(endpoint_id: str) -> Call[None]:
    return Call("DELETE", _path("/v1/webhook-endpoints/{}", endpoint_id), _nothing)


def rotate_webhook_secret(endpoint_id: str) -> Call[models.RotatedSecret]:
    return Call("POST", _path("/v1/webhook-endpoints/{}/rotate-secret", endpoint_id), _as(models.RotatedSecret))


def send_test_event(endpoint_id: str) -> Call[models.Delivery]:
    return Call("POST", _path("/v1/webhook-endpoints/{}/test", endpoint_id), _as(models.Delivery))


def webhook_deliveries(
    endpoint_id: str, cursor: str | None, limit: int, status: str | None
) -> Call[models.Page[models.Delivery]]:
    path = _path("/v1/webhook-endpoints/{}/deliveries", endpoint_id)
    return Call("GET", path, _as(models.Page[models.Delivery]), _present(limit=limit, cursor=cursor, status=status))


def event_topics() -> Call[models.Page[models.EventTopic]]:
    return Call("GET", "/v1/event-topics", _as(models.Page[models.EventTopic]))


def create_event_topic() -> Call[models.MadeEventTopic]:
    return Call("POST", "/v1/event-topics", _as(models.MadeEventTopic))


def delete_event_topic(topic_id: str) -> Call[None]:
    return Call("DELETE", _path("/v1/event-topics/{}", topic_id), _nothing)


def rotate_callback_secret() -> Call[models.RotatedSecret]:
    return Call("POST", "/v1/callbacks/rotate-secret", _as(models.RotatedSecret))


def callback_deliveries(cursor: str | None, limit: int, status: str | None) -> Call[models.Page[models.Delivery]]:
    query = _present(limit=limit, cursor=cursor, status=status)
    return Call("GET", "/v1/callbacks/deliveries", _as(models.Page[models.Delivery]), query)


def redeliver(delivery_id: str) -> Call[models.Delivery]:
    return Call("POST", _path("/v1/webhook-deliveries/{}/redeliver", delivery_id), _as(models.Delivery))


def redeliver_events(endpoint_id: str, from_sequence: int | None, to_sequence: int | None) -> Call[models.Redelivered]:
    path = _path("/v1/webhook-endpoints/{}/redeliver", endpoint_id)
    body = _present(from_sequence=from_sequence, to_sequence=to_sequence)
    return Call("POST", path, _as(models.Redelivered), body=body)


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
