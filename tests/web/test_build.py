"""What the build made: sizes, and that nothing is asked of anybody else."""

import gzip
import json
import re
from pathlib import Path

from services.gateway.web_app import BUILT, NONCE

FIRST_PAGE_BYTES = 200_000

WEB = Path(__file__).parents[2] / "web"


def first_page() -> set[str]:
    """The scripts that a browser needs for `/`: the entry, the start page, and what both import."""
    manifest = json.loads((BUILT / ".vite" / "manifest.json").read_text(encoding="utf-8"))
    wanted, found = ["index.html", "src/pages/landing/index.tsx"], set()
    while wanted:
        chunk = manifest[wanted.pop()]
        if chunk["file"] not in found:
            found.add(chunk["file"])
            wanted.extend(chunk.get("imports", []))
    return found


def test_the_first_page_is_light() -> None:
    scripts = [BUILT / name for name in first_page()]

    assert len(scripts) > 1
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) < FIRST_PAGE_BYTES


def test_pages_come_by_themselves() -> None:
    manifest = json.loads((BUILT / ".vite" / "manifest.json").read_text(encoding="utf-8"))
    apart = {name for name, chunk in manifest.items() if chunk.get("isDynamicEntry")}

    for page in re.findall(r'import\("\.\./(pages/[^"]+)"\)', (WEB / "src" / "app" / "pages.ts").read_text()):
        assert f"src/{page}/index.tsx" in apart


def test_the_document_names_files_of_ours_alone_and_runs_nothing_of_its_own() -> None:
    document = (BUILT / "index.html").read_text(encoding="utf-8")

    named = re.findall(r'(?:src|href)="([^"]+)"', document)
    assert len(named) > 3
    assert all(re.match(r"/(?!/)", name) for name in named)
    assert not re.search(r"<script(?![^>]*\bsrc=)", document)
    assert "<style" not in document
    assert NONCE in document


def test_styles_load_nothing_from_elsewhere() -> None:
    for style in (BUILT / "assets").glob("*.css"):
        for address in re.findall(r"url\(([^)]*)\)", style.read_text(encoding="utf-8")):
            assert re.match(r"""['"]?(/assets/|\./|data:image/)""", address), address


def test_every_script_and_style_has_a_compressed_copy() -> None:
    assets = BUILT / "assets"
    for path in [*assets.glob("*.js"), *assets.glob("*.css")]:
        assert gzip.decompress(path.with_name(path.name + ".gz").read_bytes()) == path.read_bytes()
        compressed = path.with_name(path.name + ".br").stat().st_size
        # A module of a line or two gains nothing.
        assert 0 < compressed < max(path.stat().st_size, 200)


def test_the_lock_names_no_registry_and_holds_a_hash_for_each_package() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}

    assert len(packages) > 50
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if "integrity" not in package] == []
