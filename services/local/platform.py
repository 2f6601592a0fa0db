"""The whole platform on one machine, running for as long as somebody needs it."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

from services.local.ballast import Ballast
from services.local.home import Home
from services.local.part import Status, Timing
from services.local.plan import make_plan
from services.local.settings import LocalSettings
from services.local.supervisor import Supervisor


class Platform:
    """Every part of Stemwright, running while this context is open; `environment` holds more settings for the services.

    ```python
    with Platform(LocalSettings(home=Path("somewhere"))) as platform:
        platform.wait_until_ready()
        print(platform.gateway_url)
    ```

    Raises:
        LocalError: the home is in use, the gateway's port is taken, or a part did not start.
    """

    def __init__(
        self,
        settings: LocalSettings,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.seconds_to_ready: float | None = None
        self._timing = timing
        self._on_change = on_change
        self._environment = environment or {}
        self._state_lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.home.make()
        with ExitStack() as stack:
            stack.enter_context(self.home.locked())
            self._begun = time.monotonic()
            self.home.empty_temporary()
            self.ballast = Ballast(self.home.run / "ballast", self._on_change)
            self.ballast.start()
            stack.callback(self.ballast.stop)
            self.plan = make_plan(self.settings, self.home, self._environment)
            self.supervisor = Supervisor(self.plan.parts, self.home.logs, self._timing, self._note_change)
            stack.callback(self.home.forget_state)
            stack.callback(self.supervisor.stop)
            self.supervisor.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def is_ready(self) -> bool:
        """Whether every part takes requests at this moment; does not block.

        Raises:
            StartFailed: a part did not come up.
        """
        ready = self.supervisor.is_ready()
        if ready and self.seconds_to_ready is None:
            self.seconds_to_ready = time.monotonic() - self._begun
            self._note_change()
        return ready

    def wait_until_ready(self) -> None:
        """Block until the platform takes requests.

        Raises:
            StartFailed: a part did not come up.
        """
        self.supervisor.wait_until_ready()
        self.is_ready()

    @property
    def gateway_url(self) -> str:
        return self.plan.gateway_url

    def statuses(self) -> list[Status]:
        return self.supervisor.statuses()

    def _note_change(self) -> None:
        # It is called by those who keep the parts running: a disk that is full must not end them.
        with self._state_lock, suppress(OSError):
            self.home.write_state(
                {
                    "pid": os.getpid(),
                    "gateway_url": self.gateway_url,
                    "ready": self.seconds_to_ready is not None,
                    "parts": {
                        status.name: {
                            "state": status.state,
                            "pid": status.pid,
                            "address": status.address,
                            "restarts": status.restarts,
                        }
                        for status in self.supervisor.statuses()
                    },
                }
            )
        self._on_change()
