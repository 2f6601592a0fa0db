"""Words of the catalogues that name what the platform itself names."""

import importlib
import re
from pathlib import Path

PERSIAN = Path(__file__).parents[2] / "web" / "src" / "texts" / "fa" / "credits.ts"
_NAME = re.compile(r'^    "([^"]+)": "', re.MULTILINE)


def test_what_is_sold_from_the_first_day_on_has_a_persian_name() -> None:
    first = importlib.import_module("services.accounts.migrations.versions.0010_prices")
    sold = {name for kind, _, name, *_ in first._FIRST if kind in ("pack", "plan")}
    assert set(_NAME.findall(PERSIAN.read_text(encoding="utf-8"))) == sold
