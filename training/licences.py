"""Which licences of data let a model that was trained on it serve anybody, for money too.

A list of what is permitted, by SPDX identifier: a word that is looked for (``NC``) finds what is harmless and misses
"research only". What is not on the list, misspelt or unknown, does not count as free.
"""

import re
from collections.abc import Iterable

PUBLISHED = "MIT"
"""Of Spleeter's weights."""

UNKNOWN = "unknown"

_FREE = re.compile(
    r"CC0-1\.0|CC-PDDC|CC-BY(-SA)?-[1-4]\.0|PDDL-1\.0|ODC-By-1\.0|ODbL-1\.0|Unlicense|0BSD|BSD-[23]-Clause|ISC|"
    r"MIT(-0)?|Apache-2\.0|LicenseRef-own"
)


def is_free(expression: str) -> bool:
    """Whether an SPDX expression leaves a way to use the data commercially: ``A AND B``, ``A OR B``, no brackets.

    ``LicenseRef-own`` is what one has recorded oneself.
    """
    choices = (choice.split(" AND ") for choice in expression.split(" OR "))
    return any(all(_FREE.fullmatch(licence.strip()) for licence in choice) for choice in choices)


def all_free(expressions: Iterable[str]) -> bool:
    """Whether all of them are, and there is one."""
    found = [is_free(expression) for expression in expressions]
    return bool(found) and all(found)
