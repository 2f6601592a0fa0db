"""The canary put together: a task, and where it is asked how that goes."""

from fastapi import FastAPI

from services.canary.canary import Canary
from services.canary.settings import Settings
from services.kit.app import create_app


def build(settings: Settings) -> FastAPI:
    """Sends nothing before it is started."""
    canary = Canary(settings)
    return create_app(name="canary", title="Stemwright canary", tasks=[canary], checks={"key": canary.check})
