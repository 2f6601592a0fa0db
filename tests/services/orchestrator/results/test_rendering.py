"""Files that are made while they are downloaded: by a process beside the service, a few at a time."""

import asyncio
import gc
import sys
from collections.abc import Iterator

import pytest
from starlette.types import Message

from services.orchestrator.results.errors import ResultDamaged, ResultGone
from services.orchestrator.results.rendering import MIX_PROGRAM, STEM_FILE_PROGRAM, Renderer, RenderingBusy
from services.orchestrator.results.routes import Closing

PASSES_ON = (sys.executable, "-I", "-c", "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)")
BREAKS_OFF = (sys.executable, "-I", "-c", "print('some of it', flush=True); raise SystemExit('and no more')")
NEVER_ENDS = (sys.executable, "-I", "-c", "import sys, time; print('x', flush=True)\nwhile True: time.sleep(60)")


def test_only_so_many_are_made_at_once_and_one_for_each_account() -> None:
    renderer = Renderer(PASSES_ON, 2)
    mine = renderer.render("me", {}, [b"flac"])
    with pytest.raises(RenderingBusy):
        renderer.render("me", {}, [b"flac"])
    others = renderer.render("another", {}, [b"flac"])
    with pytest.raises(RenderingBusy) as refused:
        renderer.render("a third", {}, [b"flac"])
    assert refused.value.headers["Retry-After"]
    assert b"".join(mine).endswith(b"flac")
    assert b"".join(renderer.render("a third", {}, [b"flac"])).endswith(b"flac")
    assert b"".join(others).endswith(b"flac")


def test_a_client_that_leaves_ends_the_work_and_leaves_its_place() -> None:
    renderer = Renderer(NEVER_ENDS, 1)
    left = renderer.render("me", {}, [b"flac"])
    assert next(left) == b"x"
    del left
    gc.collect()
    again = renderer.render("me", {}, [b"flac"])
    assert next(again) == b"x"


def test_who_has_the_end_of_a_file_may_ask_for_another() -> None:
    renderer = Renderer(PASSES_ON, 1)
    file, had = renderer.render("me", {}, [b"flac"]), b""
    while not had.endswith(b"flac"):
        had += next(file)
    assert b"".join(renderer.render("me", {}, [b"flac"])).endswith(b"flac")


def test_the_end_of_the_connection_is_the_end_of_the_work() -> None:
    renderer = Renderer(NEVER_ENDS, 1)
    answer = Closing(renderer.render("me", {}, []))

    async def serve() -> None:
        written = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                written.set()
                await asyncio.Event().wait()  # whoever reads does not go on

        async def receive() -> Message:
            await written.wait()
            return {"type": "http.disconnect"}

        await answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
        renderer.render("me", {}, [])

    asyncio.run(serve())


ABOUT = {"samples": 1, "sample_rate_hz": 44_100}


@pytest.mark.parametrize(
    ("program", "head"),
    [
        (STEM_FILE_PROGRAM, {"song": {**ABOUT, "title": ""}, "tracks": ["mixture"]}),
        (MIX_PROGRAM, {**ABOUT, "begin": 0, "faders": {}, "tracks": ["mixture"]}),
    ],
)
def test_a_file_that_cannot_be_completed_does_not_end_as_if_it_were_whole(
    program: tuple[str, ...], head: dict[str, object]
) -> None:
    begun = Renderer(BREAKS_OFF, 1).render("me", head, [b"flac"])
    with pytest.raises(ResultDamaged):
        b"".join(begun)
    with pytest.raises(ResultDamaged):
        b"".join(Renderer(program, 1).render("me", head, [b"no FLAC"]))

    def gone() -> Iterator[bytes]:
        yield b"flac"
        raise ResultGone

    with pytest.raises(ResultGone):
        b"".join(Renderer(program, 1).render("me", head, gone()))
