"""What is refused about feedback, and why."""

from services.kit.errors import NotFound


class FeedbackNotFound(NotFound):
    code = "feedback_not_found"
    title = "No feedback was given for this job"
