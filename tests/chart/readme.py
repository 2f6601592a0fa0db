"""The table of values in the chart's README, made from the comments in `values.yaml`."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.chart.rendering import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values: made from values.yaml by `make chart` -->\n", "<!-- end of values -->\n"
MARK = "# -- "


def described() -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of every value, in the order of the file.

    What lies below a value without a meaning of its own is part of the default. Raises ValueError: a value has none.
    """
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    values = yaml.safe_load(text)

    def comment(key: yaml.Node) -> str:
        line: int = key.start_mark.line
        return lines[line - 1].strip()

    def marked(node: yaml.Node) -> bool:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        return any(comment(key).startswith(MARK) or marked(child) for key, child in pairs)

    def walk(node: yaml.MappingNode, value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
        for key, child in node.value:
            name, above = (*path, key.value), comment(key)
            inside = value[key.value]
            parts = marked(child)
            if above.startswith(MARK):
                yield ".".join(name), "" if parts else json.dumps(inside), above.removeprefix(MARK)
            if parts:
                yield from walk(child, inside, name)
            elif not above.startswith(MARK):
                raise ValueError(f"values.yaml: {'.'.join(name)} has no comment that begins with `{MARK.strip()}`")

    yield from walk(root, values, ())


LONGEST = 90


def table() -> str:
    """Markdown."""
    rows = ["| value | default | meaning |", "| --- | --- | --- |"]
    for name, default, meaning in described():
        shown = f"`{default}`" if default else ""
        rows.append(f"| `{name}` | {shown if len(default) <= LONGEST else 'see the file'} | {meaning} |")
    return "\n".join(rows) + "\n"


def current() -> str:
    """The README with the table as it has to be."""
    before, _, rest = README.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + table() + END + after
