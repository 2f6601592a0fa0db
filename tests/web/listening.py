"""What a person hears of the mixer, measured in its audio graph, beside the hands that move it."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.e2e.jobs import PATIENCE_SECONDS
from tests.web.browsing import Visitor

SCRIPT = Path(__file__).with_name("listening.js").read_text(encoding="utf-8")
TRACKS = ("mixture", "vocals", "instrumental")
_GLIDE_SECONDS = 0.5
"""Of music, after which whatever began or changed has risen and glided; a busy page may begin late."""
_PATIENCE = PATIENCE_SECONDS * 1000


@dataclass(frozen=True)
class Heard:
    """Mean squares over what was heard, of one channel made of both."""

    frames: int
    output: float
    mix: float
    tracks: list[float]
    """Before their faders, in the order of `TRACKS`."""
    outputMinusTrack: list[float]  # noqa: N815 - as the script has it
    outputMinusMix: float  # noqa: N815
    residual: float
    """The original minus the sum of the stems."""
    residualOneSampleLate: float  # noqa: N815


class Listener:
    """A visitor on the page of a separation, before it was opened."""

    def __init__(self, visitor: Visitor) -> None:
        self.page: Page = visitor.page
        self._visitor = visitor
        self.page.add_init_script(SCRIPT)

    def open(self, job_id: str) -> None:
        self.page.goto(f"/separations/{job_id}")
        self.button("Play").wait_for(timeout=_PATIENCE)

    def forgive_the_processor(self) -> None:
        """The script hears through a node that Chromium calls deprecated; nothing else is that simple."""
        self._visitor.complaints[:] = [one for one in self._visitor.complaints if "ScriptProcessorNode" not in one]

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def hear(self, seconds: float, rate_hz: int = 44_100) -> Heard:
        """Waits until so much music has come, beginning a moment after the first of it."""
        for part in (_GLIDE_SECONDS, seconds):
            self.page.evaluate("listening.reset()")
            self.page.wait_for_function("frames => listening.frames >= frames", arg=part * rate_hz, timeout=_PATIENCE)
        sums = self.page.evaluate("({...listening})")
        frames: int = sums["frames"]

        def mean(name: str) -> float:
            return float(sums[name]) / frames

        return Heard(
            frames,
            mean("output"),
            mean("mix"),
            [value / frames for value in sums["tracks"]],
            [value / frames for value in sums["outputMinusTrack"]],
            mean("outputMinusMix"),
            mean("residual"),
            mean("residualOneSampleLate"),
        )

    @property
    def position(self) -> int:
        """In whole seconds, as it is told to assistive technology."""
        slider = self.page.get_by_role("slider", name="Position in the song")
        return int(slider.get_attribute("aria-valuenow") or 0)

    def wait_until(self, script: str) -> None:
        self.page.wait_for_function(script, timeout=_PATIENCE)

    def collected_audio_bytes(self) -> int:
        """Decoded audio that is still held once everything else has been collected."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        held: int = self.page.evaluate("listening.audioBytes()")
        return held
