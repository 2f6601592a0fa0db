"""Everything is installed by uv from the registry that pip is set to use, and by pip where uv gives up."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDING = """
import json, os, sys
with open({calls!r}, "a") as calls:
    names = [name for name in os.environ if name.startswith(("UV_", "PIP_")) or name in ("SSL_CERT_FILE", "ALL_PROXY")]
    told = {{name: os.environ[name] for name in names}}
    calls.write(json.dumps([{name!r}, sys.argv[1:], told]) + "\\n")
if "config" in sys.argv:
    print({listed!r})
sys.exit(0 if "config" in sys.argv else {ends})
"""
WANTED = ("--require-hashes", "-r", "some.lock")


class Installers:
    """A pip and a uv that note what they are asked, in the place of the real ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = folder / "calls"
        self.add("pip")
        self.add("uv")
        self.has_uv("0")

    def add(self, name: str, *, ends: int | str = 0, listed: str = "") -> None:
        module = RECORDING.format(calls=str(self._calls), name=name, listed=listed, ends=ends)
        (self._folder / f"{name}.py").write_text(module)

    def has_uv(self, version: str) -> None:
        """As the environment's metadata say."""
        metadata = self._folder / "uv.dist-info" / "METADATA"
        metadata.parent.mkdir(exist_ok=True)
        metadata.write_text(f"Name: uv\nVersion: {version}\n")

    def install(self, **inherited: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, ROOT / "requirements" / "install.py", *WANTED)
        told = {**inherited, "PYTHONPATH": str(self._folder), "PATH": os.devnull}
        return subprocess.run(command, env=told, capture_output=True, text=True, check=False)

    def calls(self, name: str) -> list[tuple[list[str], dict[str, str]]]:
        noted = [json.loads(line) for line in self._calls.read_text().splitlines()]
        return [(arguments, told) for called, arguments, told in noted if called == name]


@pytest.fixture
def installers(tmp_path: Path) -> Installers:
    return Installers(tmp_path)


def test_uv_installs_what_was_asked_for(installers: Installers) -> None:
    assert installers.install().returncode == 0
    [(arguments, told)] = installers.calls("uv")
    assert arguments == ["--quiet", "pip", "install", "--python", sys.executable, *WANTED]
    assert told == {"PIP_USER": "0", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert not [arguments for arguments, _ in installers.calls("pip") if arguments[-3:] == list(WANTED)]


def test_uv_itself_is_installed_by_its_hash(installers: Installers) -> None:
    installers.install()
    arguments, _ = installers.calls("pip")[0]
    assert arguments[-3:] == ["--require-hashes", "-r", str(ROOT / "requirements" / "installer.lock")]


def test_uv_is_installed_once(installers: Installers) -> None:
    locked = next(
        line for line in (ROOT / "requirements" / "installer.lock").read_text().split() if line.startswith("uv==")
    )
    installers.has_uv(locked.removeprefix("uv=="))
    assert installers.install().returncode == 0
    assert len(installers.calls("uv")) == 1
    assert not [arguments for arguments, _ in installers.calls("pip") if "install" in arguments]


def test_settings_of_pip_hold_for_uv(installers: Installers, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    set_up = {
        ":env:.index-url": "https://of-the-environment/simple",
        "global.index-url": "https://of-the-file/simple",
        "global.extra-index-url": "\nhttps://another/simple\nhttps://third/simple",
        "global.find-links": f"{wheels} {tmp_path}/none https://page/links",
        "global.cert": "/etc/company.pem",
        "install.no-index": "True",
        "global.default-timeout": "180",
        "global.trusted-host": "another",
        "global.proxy": "http://user:secret@proxy:3128",
    }
    installers.add("pip", listed="\n".join(f"{name}={value!r}" for name, value in set_up.items()))
    assert installers.install().returncode == 0
    [(arguments, told)] = installers.calls("uv")
    assert told == {
        "PIP_USER": "0",
        "UV_DEFAULT_INDEX": "https://of-the-environment/simple",
        "UV_INDEX": "https://another/simple https://third/simple",
        "UV_FIND_LINKS": f"{wheels},https://page/links",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "another",
        "UV_NO_INDEX": "true",
        "UV_HTTP_TIMEOUT": "180",
        "SSL_CERT_FILE": "/etc/company.pem",
        "ALL_PROXY": "http://user:secret@proxy:3128",
    }
    assert not any("secret" in argument for argument in arguments)


def test_what_is_set_for_other_installations_leads_neither_elsewhere(installers: Installers) -> None:
    installers.add("uv", ends=2)
    registry = {"PIP_INDEX_URL": "https://of-the-environment/simple", "UV_CACHE_DIR": "/cache"}
    others = {"PIP_USER": "1", "PIP_TARGET": "/t", "PIP_NO_DEPS": "1", "UV_TARGET": "/t", "UV_CONSTRAINT": "/none"}
    assert installers.install(**registry, **others).returncode == 0
    told = {**registry, "PIP_USER": "0"}
    assert installers.calls("uv")[0][1] == {**told, "UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert [told for _, told in installers.calls("pip")] == [told] * 3


def test_where_uv_gives_up_pip_does_it(installers: Installers) -> None:
    installers.add("uv", ends=2)
    ended = installers.install()
    assert ended.returncode == 0
    assert ended.stderr == "uv could not install it; pip tries ...\n"
    arguments, _ = installers.calls("pip")[-1]
    assert arguments == ["--disable-pip-version-check", "install", "--quiet", *WANTED]


def test_where_there_is_no_uv_for_this_machine_pip_does_it(installers: Installers) -> None:
    installers.add("pip", ends='"installer.lock" in sys.argv[-1]')
    assert installers.install().returncode == 0
    assert not installers.calls("uv")
    assert installers.calls("pip")[-1][0][-3:] == list(WANTED)


def test_what_neither_can_install_is_a_failure(installers: Installers) -> None:
    installers.add("uv", ends=2)
    installers.add("pip", ends='0 if "installer.lock" in sys.argv[-1] else 1')
    assert installers.install().returncode == 1


def test_a_package_that_was_half_installed_is_installed_again(tmp_path: Path) -> None:
    """uv and pip take one for installed that has a `.dist-info`, whatever became of its files."""

    def package(name: str, code: str | None, record: str | None, metadata: str = "METADATA") -> None:
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / metadata).touch()
        if code is not None:
            (tmp_path / f"{name}.py").write_text(code)
        if record is not None:
            (folder / "RECORD").write_text(record)

    package(
        "whole", "1", "whole.py,sha256=x,1\nwhole-1.dist-info/RECORD,,\n__pycache__/whole.pyc,,\nempty.pyi,sha256=x,0\n"
    )
    (tmp_path / "empty.pyi").touch()
    package("changed", "1234", "changed.py,sha256=x,1\n")
    package("editable", None, "editable.pth,sha256=x,9\n", metadata="direct_url.json")
    package("lacking", None, "lacking.py,sha256=x,1\n")
    package("emptied", "", "emptied.py,sha256=x,1\n")
    package("unlisted", "1", None)
    package("blank", "1", "")
    runpy.run_path(str(ROOT / "requirements" / "install.py"))["forget_halves"](tmp_path)
    left = sorted(path.name.partition("-")[0] for path in tmp_path.glob("*.dist-info"))
    assert left == ["changed", "editable", "whole"]
