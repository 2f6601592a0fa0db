"""A partner's topic in the event log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from services.kit.errors import Unavailable, answers
from services.kit.schemas import EventTopicId, Page
from services.notifier.dependencies import Partner
from services.notifier.event_topics.errors import EventTopicExists, EventTopicNotFound, EventTopicsNotOffered
from services.notifier.event_topics.schemas import EventTopicMade, EventTopicView
from services.notifier.event_topics.service import EventTopics

router = APIRouter(tags=["partners"])


async def _event_topics(request: Request) -> EventTopics:
    event_topics: EventTopics = request.app.state.event_topics
    return event_topics


EventTopicsDep = Annotated[EventTopics, Depends(_event_topics)]


@router.post(
    "/v1/event-topics",
    summary="Make a topic of the event log",
    status_code=201,
    response_model=EventTopicMade,
    responses=answers(EventTopicsNotOffered, EventTopicExists, Unavailable),
)
def create_event_topic(partner: Partner, event_topics: EventTopicsDep) -> JSONResponse:
    """A Kafka topic that has the account's events from now on, as they are in the feed, and one user who may read it
    and nothing else. An account has one. The answer is the one place where the password is shown."""
    made = event_topics.create(partner.account_id)
    return JSONResponse(made.model_dump(mode="json"), 201, {"Cache-Control": "no-store"})


@router.get("/v1/event-topics", summary="List topics of the event log")
def list_event_topics(partner: Partner, event_topics: EventTopicsDep) -> Page[EventTopicView]:
    """The account's topic, if it has one; without the password."""
    return Page(items=event_topics.of_account(partner.account_id), next_cursor=None)


@router.delete(
    "/v1/event-topics/{topic_id}",
    summary="Delete a topic of the event log",
    status_code=204,
    responses=answers(EventTopicNotFound),
)
def delete_event_topic(topic_id: EventTopicId, partner: Partner, event_topics: EventTopicsDep) -> None:
    """The topic, what is on it, and its user go within seconds."""
    event_topics.delete(partner.account_id, topic_id)
