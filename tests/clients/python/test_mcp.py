"""The tools of an assistant, called by the protocol's own client: what they do, and what they do not let it do."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from stemwright_client import AsyncClient, Client
from tests.clients.python.double import KEY, Double, named

if TYPE_CHECKING:
    import mcp  # a second of processor time, which collecting the tests need not take

JOB = named("job", 1)


@asynccontextmanager
async def assistant(double: Double, folder: Path, limit: int = 600) -> AsyncIterator["mcp.Client"]:
    import mcp

    from stemwright_client.mcp import server

    offered = server(AsyncClient(KEY, double.url), spend_limit_credits=limit, folder=folder)
    async with mcp.Client(offered) as client:
        yield client


async def call(client: "mcp.Client", tool: str, **arguments: Any) -> Any:
    """What the tool answers; a string is why it refused."""
    answer = await client.call_tool(tool, arguments)
    if answer.is_error:
        return "".join(getattr(part, "text", "") for part in answer.content)
    return answer.structured_content


def test_a_song_by_tools(double: Double, song: Path, client: Client) -> None:
    async def session() -> None:
        async with assistant(double, song.parent) as tools:
            listed = [tool.name for tool in (await tools.list_tools()).tools]
            assert sorted(listed) == ["balance", "fetch", "quote", "separate", "status", "wait"]
            quoted = await call(tools, "quote", song=song.name)
            assert (quoted["price_credits"], quoted["affordable"]) == (3, True)
            ordered = await call(tools, "separate", song=song.name, stems=["vocals"], format="mp3")
            assert ordered == {"job_id": JOB, "status": "queued", "price_credits": 3}
            assert (await call(tools, "separate", song=song.name, stems=["vocals"], format="mp3"))["job_id"] == JOB
            assert (await call(tools, "wait", job_id=JOB))["status"] == "succeeded"
            assert await call(tools, "fetch", job_id=JOB) == {"files": {"vocals": "stems/vocals.mp3"}}
            left = await call(tools, "balance")
            assert (left["spent_in_this_session_credits"], left["left_of_spending_limit_credits"]) == (3, 597)

    asyncio.run(session())
    assert (song.parent / "stems" / "vocals.mp3").exists()
    assert len(double.jobs) == 1


def test_no_more_is_spent_than_was_allowed(double: Double, song: Path, client: Client) -> None:
    other = song.with_name("other.wav")
    other.write_bytes(song.read_bytes() + b"!")

    async def session() -> None:
        async with assistant(double, song.parent, limit=5) as tools:
            double.hold.clear()
            answers = await asyncio.gather(*(call(tools, "separate", song=path.name) for path in (song, other)))
            assert sorted(isinstance(answer, str) for answer in answers) == [False, True]
            [refused] = [answer for answer in answers if isinstance(answer, str)]
            assert "It costs 3 credits, and 2 are left of the 5" in refused
            assert not (await call(tools, "quote", song=other.name))["affordable"]
            # What fails is not charged, so it does not count.
            double.end = lambda _job: "failed"
            double.hold.set()
            assert (await call(tools, "wait", job_id=JOB))["error"]["code"] == "separation_failed"
            double.end = lambda _job: "succeeded"
            again = await call(tools, "separate", song=song.name)
            assert again["job_id"] == named("job", 2)

    asyncio.run(session())


def test_nothing_outside_the_opened_folder_is_read_or_written(double: Double, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"secret")
    opened = tmp_path / "opened"
    opened.mkdir()
    (opened / "link.wav").symlink_to(tmp_path / "secret.wav")

    async def session() -> None:
        async with assistant(double, opened) as tools:
            for name in ("../secret.wav", str(tmp_path / "secret.wav"), "link.wav"):
                assert "lies outside the folder" in await call(tools, "quote", song=name)
                assert "lies outside the folder" in await call(tools, "separate", song=name)
            assert "There is no file absent.wav" in await call(tools, "separate", song="absent.wav")
            assert "lies outside the folder" in await call(tools, "fetch", job_id=JOB, output="..")
            assert "job_not_found" in await call(tools, "fetch", job_id=JOB)
            # Of what cannot be written or read the name is told, and not where the folder lies.
            (opened / "song.wav").write_bytes(b"a song")
            (opened / "taken").touch()
            done = await call(tools, "separate", song="song.wav")
            await call(tools, "wait", job_id=done["job_id"])
            refused = await call(tools, "fetch", job_id=done["job_id"], output="taken")
            assert "taken: File exists" in refused
            assert str(tmp_path) not in refused

    asyncio.run(session())
    assert len(double.uploads) == 1


@pytest.mark.parametrize("program", [["services.cli", "client"], ["stemwright_client.cli"]], ids=str)
def test_it_speaks_on_standard_input_and_output(double: Double, tmp_path: Path, program: list[str]) -> None:
    import mcp

    module, *command = program
    started = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", module, *command, "mcp", "--spend-limit", "7"],
        env={**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY},
        cwd=Path.cwd(),
    )

    async def session() -> Any:
        async with mcp.Client(started) as tools:
            return await call(tools, "balance")

    assert asyncio.run(session())["left_of_spending_limit_credits"] == 7
