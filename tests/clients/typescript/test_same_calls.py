"""Both clients have the same calls."""

import inspect
import re

from stemwright_client import Client
from tests.clients.typescript.test_separate import SOURCE

OF_PYTHON = {"close"}
"""What a client in TypeScript has no use for: it holds no connection."""
OF_FILES = {"separate", "separate_folder", "separate_many"}
"""In TypeScript functions of `stemwright-client/node`, for browsers have no files."""


def in_camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def test_the_clients_have_the_same_calls() -> None:
    python = {name for name, _ in inspect.getmembers(Client, inspect.isfunction) if not name.startswith("_")}
    client = (SOURCE / "src" / "client.ts").read_text()
    body = client[client.index("export class Client {") :]
    methods = set(re.findall(r"^  (?:async )?\*?([a-z]\w*)(?:<\w+>)?\(", body, re.MULTILINE)) - {"constructor"}
    assert methods == {in_camel_case(name) for name in python - OF_PYTHON - OF_FILES}
    functions = set(re.findall(r"^export async function (\w+)", (SOURCE / "src" / "node.ts").read_text(), re.MULTILINE))
    assert functions == {in_camel_case(name) for name in OF_FILES} | {"download"}
