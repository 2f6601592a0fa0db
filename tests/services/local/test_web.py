"""The build of the web app: made once for what it is made from, and told in a line where it cannot be."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.local import web
from services.local.errors import PagesNotBuilt

VITE = """
const [, , command, flag, folder] = process.argv;
if (command !== "build" || flag !== "--outDir") throw new Error(process.argv.join(" "));
const fs = require("node:fs");
fs.mkdirSync(folder + "/assets", { recursive: true });
fs.writeFileSync(folder + "/index.html", fs.readFileSync("src/page.ts"));
fs.appendFileSync(process.env.BUILDS, "built ");
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A web app of one page, and a bundler of our own in a `node_modules` that npm did not make."""
    source, vite = tmp_path / "web", tmp_path / "web" / "node_modules" / "vite" / "bin" / "vite.js"
    for folder in (source / "src", source / "public", vite.parent):
        folder.mkdir(parents=True)
    for name in ("index.html", "vite.config.ts", "postcss.config.js", "package-lock.json", ".npmrc"):
        (source / name).touch()
    (source / "package.json").write_text(json.dumps({"scripts": {"say": "echo said$NODE_ENV"}}))
    (source / "src" / "page.ts").write_text("first")
    vite.write_text(VITE)
    monkeypatch.setattr(web, "SOURCE", source)
    monkeypatch.setattr(web, "SERVED", tmp_path / "gateway" / "web")
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    (tmp_path / "gateway").mkdir()
    return tmp_path


@pytest.fixture
def builds(checkout: Path) -> Callable[[], int]:
    """How often the bundler ran."""
    return lambda: len((checkout / "builds").read_text().split())


def served(checkout: Path) -> str:
    return (checkout / "gateway" / "web" / "index.html").read_text()


def test_what_a_build_that_was_killed_has_left_in_the_cache_goes_with_the_next(checkout: Path) -> None:
    left = checkout / "cache" / "web" / "tmpb0yx20h3" / "packages" / "node_modules"
    left.mkdir(parents=True)
    web.build()
    assert [path.name.partition("-")[0] for path in sorted((checkout / "cache" / "web").iterdir())] == ["lock", "pages"]


def test_what_is_up_to_date_is_not_built_again(checkout: Path, builds: Callable[[], int]) -> None:
    assert web.build()
    assert not web.build()

    assert (served(checkout), builds()) == ("first", 1)


def test_a_change_is_built_and_what_was_built_before_comes_from_the_cache(
    checkout: Path, builds: Callable[[], int]
) -> None:
    page = checkout / "web" / "src" / "page.ts"
    web.build()
    page.write_text("second")
    assert web.build()
    assert served(checkout) == "second"
    page.write_text("first")
    assert web.build()

    assert (served(checkout), builds()) == ("first", 2)


def test_tests_and_generated_types_are_no_change(checkout: Path, builds: Callable[[], int]) -> None:
    web.build()
    (checkout / "web" / "src" / "page.test.ts").write_text("a test")
    (checkout / "web" / "src" / "api").mkdir()
    (checkout / "web" / "src" / "api" / "schema.d.ts").write_text("types")

    assert not web.build()
    assert builds() == 1


def test_what_is_served_stays_where_a_build_fails(checkout: Path) -> None:
    web.build()
    (checkout / "web" / "src" / "page.ts").unlink()

    with pytest.raises(PagesNotBuilt, match="ENOENT"):
        web.build()
    assert served(checkout) == "first"
    assert list((checkout / "gateway").iterdir()) == [checkout / "gateway" / "web"]


def test_the_oldest_builds_leave_the_cache(checkout: Path) -> None:
    for number in range(5):
        (checkout / "web" / "src" / "page.ts").write_text(str(number))
        web.build()
        (made,) = (
            path
            for path in (checkout / "cache" / "web").glob("pages-*")
            if (path / "index.html").read_text() == str(number)
        )
        os.utime(made, (number, number))

    kept = {(path / "index.html").read_text() for path in (checkout / "cache" / "web").glob("pages-*")}
    assert kept == {"2", "3", "4"}


def test_without_a_registry_the_command_says_so_in_few_lines(checkout: Path) -> None:
    """npm is the real one; the registry is a port on which nobody listens."""
    program = (
        "import sys; from pathlib import Path; from services.local import web\n"
        "web.SOURCE, web.SERVED = Path(sys.argv.pop(1)), Path(sys.argv.pop(1)); web.main()"
    )
    source = checkout / "web"
    (source / "node_modules").rename(checkout / "elsewhere")
    (source / "package.json").write_text(
        json.dumps({"name": "x", "version": "1.0.0", "dependencies": {"react": "1.0.0"}})
    )
    package = {"version": "1.0.0", "integrity": "sha512-" + "A" * 86 + "=="}
    root = {"name": "x", "version": "1.0.0", "dependencies": {"react": "1.0.0"}}
    lock = {
        "name": "x",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "packages": {"": root, "node_modules/react": package},
    }
    (source / "package-lock.json").write_text(json.dumps(lock))
    (source / ".npmrc").write_text("registry=http://127.0.0.1:9/\nfetch-retries=0\n")
    done = subprocess.run(
        [sys.executable, "-c", program, str(source), str(checkout / "served")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("stemwright: the web app was not built. It was said:\n")
    assert "127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") < 12
    assert not (checkout / "served").exists()
    assert list((checkout / "cache" / "web").glob("modules-*")) == []


def test_a_script_of_the_app_runs_with_the_wheels_node_and_nobodys_options(
    checkout: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_ENV", "production")
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    assert web.run("say") == 0
    assert capfd.readouterr().out == "said\n"


def test_npm_has_a_cache_where_the_home_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("npm_config_cache", raising=False)
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "npm_config_cache" not in web._environment()
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert web._environment()["npm_config_cache"] == str(tmp_path / "cache" / "npm")


def test_node_trusts_whom_the_system_trusts_and_takes_nobodys_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--no-such-option")
    environment = web._environment()
    assert environment["NODE_USE_SYSTEM_CA"] == "1"
    node = web._node_folder() / "bin" / "node"
    version = subprocess.run([node, "--version"], env=environment, check=False, capture_output=True, text=True)
    assert version.returncode == 0, version.stderr
