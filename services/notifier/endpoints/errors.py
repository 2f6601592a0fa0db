"""What the notifier refuses about endpoints."""

from services.kit.errors import Conflict, Invalid, NotFound


class EndpointNotFound(NotFound):
    code = "webhook_endpoint_not_found"
    title = "There is no such webhook endpoint"


class WebhookUrlRefused(Invalid):
    code = "webhook_url_refused"
    title = "Webhooks are not sent to this address"


class TooManyEndpoints(Conflict):
    code = "too_many_webhook_endpoints"
    title = "The account has as many webhook endpoints as it may"


class EndpointDisabled(Conflict):
    code = "webhook_endpoint_disabled"
    title = "The webhook endpoint is disabled"
