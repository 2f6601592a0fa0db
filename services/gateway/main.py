"""`stemwright run gateway`."""

import resource

from services.gateway.app import gateway_app
from services.gateway.consumers import news_consumer
from services.gateway.hub import Hub
from services.gateway.protocol import guarded
from services.gateway.settings import Settings
from services.kit.events.brokers import Brokers
from services.kit.serving import serve
from services.kit.settings import load

ENOUGH_FILES = 65_536
KEPT_OPEN_SECONDS = 75
"""How long a connection waits for its next request: longer than clients and proxies keep theirs (httpx 5 s, nginx 60),
or a request would now and then meet one that is just being closed, and be lost. How many wait is bounded."""


def main() -> None:
    """Serves until it is told to stop."""
    settings = load(Settings)
    # Every client is a file, every request to a service another: the soft limit of most shells is 1,024.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, enough), hard))
    hub = Hub()
    app = gateway_app(settings, hub=hub, tasks=(news_consumer(Brokers.of(settings), hub),))
    # Streams end at once when the process stops. Whose `X-Forwarded-For` is believed is a setting of ours, not
    # whoever connects from this machine.
    serve(
        app,
        settings,
        on_stopping=hub.close,
        http=guarded(settings),
        proxy_headers=False,
        timeout_keep_alive=KEPT_OPEN_SECONDS,
    )


if __name__ == "__main__":
    main()
