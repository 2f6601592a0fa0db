"""What the notifier refuses about deliveries."""

from services.kit.errors import NotFound


class DeliveryNotFound(NotFound):
    code = "webhook_delivery_not_found"
    title = "There is no such webhook delivery"
