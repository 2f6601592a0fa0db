"""Answers about partners' topics."""

from datetime import datetime

from pydantic import BaseModel, Field


class EventTopicView(BaseModel):
    id: str
    topic: str
    bootstrap_servers: str = Field(description="Where to connect, by SASL_SSL with SCRAM-SHA-256 or SCRAM-SHA-512.")
    username: str
    group_prefix: str = Field(description="How the names of consumer groups begin that may be used.")
    created_at: datetime
    published_sequence: int = Field(description="The number of the last event that is on it.")


class EventTopicMade(EventTopicView):
    password: str = Field(
        description="Shown here and nowhere else; delete the topic and make another to get a new one."
    )
