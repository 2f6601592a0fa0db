"""What the notifier refuses about partners' topics."""

from services.kit.errors import Conflict, Forbidden, NotFound


class EventTopicNotFound(NotFound):
    code = "event_topic_not_found"
    title = "There is no such topic"


class EventTopicsNotOffered(Forbidden):
    code = "event_topics_not_offered"
    title = "This platform gives partners no topics of their own"


class EventTopicExists(Conflict):
    code = "event_topic_exists"
    title = "The account has a topic, or its last one is still being removed"
