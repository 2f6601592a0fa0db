"""Settings of the canary."""

from pathlib import Path

from pydantic import Field, HttpUrl

from services.kit.settings import ServiceSettings, service_config


class Settings(ServiceSettings):
    model_config = service_config("canary")

    url: HttpUrl = HttpUrl("http://127.0.0.1:8080")
    """Where it orders: the gateway, best under the address that people use."""
    key_file: Path = Path("/etc/stemwright/canary/key")
    """File with the key that `stemwright accounts canary-key` makes; read before each song."""
    every_minutes: float = Field(5.0, gt=0, le=60)
    """From the beginning of one song to that of the next. Nobody is told of anything wrong before two of these have
    passed without one that came back whole."""
    limit_seconds: float = Field(240.0, gt=0, le=3600)
    """How long a song may take on its whole way before it counts as lost."""
