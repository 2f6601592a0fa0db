"""The canary put together: a task, and where it is asked how that goes."""

from starlette.applications import Starlette

from services.canary.canary import Canary
from services.canary.settings import Settings
from services.kit.process import create_process_app


def build(settings: Settings) -> Starlette:
    """Sends nothing before it is started."""
    canary = Canary(settings)
    return create_process_app(name="canary", tasks=[canary], checks={"key": canary.check})
