"""What the pages name is there: what links lead to, paths, modules, make targets, commands, options, settings."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from services.cli import main

ROOT = Path(__file__).parents[1]
GUIDES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "models/*.md", "clients/*/*.md", ".github/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
"""What people follow. Changelog and records tell of what was as well, so that only their links are looked at."""
PAGES = sorted([*GUIDES, ROOT / "CHANGELOG.md", *ROOT.glob("docs/decisions/*.md")])

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^\n|\A)((?:^ {4}\S.*\n)+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
INLINE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
AREAS = "bench|clients|deploy|docs|examples|models|proto|requirements|separation|services|tests|training|web"
PLACE = re.compile(rf"^(?:{AREAS})/[\w./*-]+$")
MODULE = re.compile(r"-m ((?:bench|services|separation|training)[\w.]*)")
SETTING = re.compile(r"\bSTEMWRIGHT_[A-Z0-9_]*[A-Z0-9]\b(?![_*])")
END_OF_COMMAND = re.compile(r"(?:^|\s)(?:#|\||>|&&|;|\)|…|\.\.\.).*")
MADE_LATER = (
    "models/repository",
    "models/cache",
    "services/gateway/web",
    "web/node_modules",
    "docs/decisions/NNNN-title.md",
)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    return FENCE.sub("", text)


def shell_lines(text: str) -> Iterator[str]:
    """Every line of a shell in a page, in a block or within a sentence."""
    for language, body in FENCE.findall(text):
        if language in ("", "bash", "sh", "console"):
            yield from re.sub(r"\\\n", " ", body).splitlines()
    for body in INDENTED.findall(text):
        yield from body.splitlines()
    yield from INLINE.findall(prose(text))


def calls(text: str, program: str) -> Iterator[list[str]]:
    """The words after each call of a program, without what the shell does beside it."""
    for line in shell_lines(text):
        found = re.match(rf"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/)?{program}(?= |$)(.*)", line)
        if found:
            yield shlex.split(END_OF_COMMAND.sub("", found[1]), comments=False)


@cache
def anchors(page: Path) -> frozenset[str]:
    """How GitHub calls the headings of a page."""
    titles = HEADING.findall(prose(page.read_text()))
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_paths_and_modules_are_there(page: Path) -> None:
    text = page.read_text()
    places = [inline for inline in INLINE.findall(prose(text)) if PLACE.match(inline)]
    missing = [place for place in places if not place.startswith(MADE_LATER) and not list(ROOT.glob(place.rstrip("/")))]
    assert missing == []
    for module in MODULE.findall(text):
        path = ROOT / module.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), module


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_make_has_the_targets(page: Path) -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    for words in calls(page.read_text(), "make"):
        named = {word for word in words if "=" not in word and not word.startswith("-")}
        assert named <= targets, f"make {' '.join(words)}"


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_stemwright_has_the_commands_and_their_options(page: Path) -> None:
    for words in calls(page.read_text(), "stemwright"):
        assert understood(main, words), f"stemwright {' '.join(words)}"


def understood(command: click.Command, words: list[str]) -> bool:
    """Whether a command has the subcommands and options that are named; what else is an argument is anybody's."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        names = [word for word in words if not word.startswith("-")]
        if names and not is_placeholder(names[0]):
            inner = command.get_command(context, names[0])
            rest = words[words.index(names[0]) + 1 :]
            return inner is not None and understood(inner, rest)
    options = {opt for param in command.get_params(context) for opt in (*param.opts, *param.secondary_opts)}
    return {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)} <= options | {"-h", "--version"}


def options(command: click.Command) -> set[str]:
    """Every option of a command and of those below it."""
    context = click.Context(command)
    own = {opt for param in command.get_params(context) for opt in param.opts}
    inner = command.list_commands(context) if isinstance(command, click.Group) else []
    below = [command.get_command(context, name) for name in inner] if isinstance(command, click.Group) else []
    return own.union(*(options(each) for each in below if each is not None))


def test_the_page_of_the_command_line_names_no_option_that_is_gone() -> None:
    inline = INLINE.findall(prose((ROOT / "docs" / "command-line.md").read_text()))
    named = {match[1] for text in inline if (match := re.match(r"(--[a-z-]+)", text))}
    assert len(named) > 10
    assert named <= options(main)


def test_the_page_of_the_command_line_names_every_command() -> None:
    inline = set(INLINE.findall((ROOT / "docs" / "command-line.md").read_text()))
    assert [command for command in main.list_commands(click.Context(main)) if command not in inline] == []


def test_the_rooms_that_can_be_checked_are_all_in_the_table() -> None:
    named = re.findall(
        r"^\| `([\w/]+)` \|.*`make check ROOM=\1` \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    rooms = [path for area in ("services", "separation") for path in (ROOT / "tests" / area).glob("*/test_*.py")]
    assert sorted(named) == sorted({"clients", *(f"{path.parent.parent.name}/{path.parent.name}" for path in rooms)})


def is_placeholder(word: str) -> bool:
    return bool(re.match(r"[<\[A-Z]", word))


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_settings_are_read_by_something(page: Path) -> None:
    assert set(SETTING.findall(page.read_text())) <= known_settings()


@cache
def known_settings() -> frozenset[str]:
    """By the commented defaults, the programs' own text, and the fields of `stemwright up`."""
    from services.local.settings import LocalSettings

    sources = [
        ROOT / "deploy" / "settings.env",
        ROOT / "Makefile",
        *ROOT.glob("se*/**/*.py"),
        *ROOT.glob("tests/**/*.py"),
    ]
    texts = "".join(path.read_text() for path in sources if path != Path(__file__))
    local = {f"STEMWRIGHT_{field.upper()}" for field in LocalSettings.model_fields}
    return frozenset(SETTING.findall(texts)) | local


def test_a_page_that_names_what_is_not_there_is_noticed(tmp_path: Path) -> None:
    assert not understood(main, ["seperate", "song.mp3"])
    assert not understood(main, ["separate", "song.mp3", "--outptu", "stems"])
    assert not understood(main, ["models", "imprt"])
    text = "Text `make nothing` and\n\n    make test  # all\n\n```bash\n$ stemwright up --fast | tee log\n```\n"
    assert list(calls(text, "make")) == [["test"], ["nothing"]]
    assert list(calls(text, "stemwright")) == [["up", "--fast"]]
    page = tmp_path / "page.md"
    page.write_text("# The `a` page, and more\n")
    assert anchors(page) == {"the-a-page-and-more"}
