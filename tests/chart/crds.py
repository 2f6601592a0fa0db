"""Schemas of objects that are not Kubernetes' own, taken from their projects' releases.

`python -m tests.chart.crds` makes `schemas/` anew from the CRDs of the Go modules below (about 20 MB are fetched). What
only describes is left out, and where a schema lists its fields it allows no others, as the API server would drop them.
"""

import json
import urllib.request
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

SCHEMAS = Path(__file__).parent / "schemas"
PROXY = "https://proxy.golang.org"
PROMETHEUS = "example/prometheus-operator-crd/monitoring.coreos.com"
MODULES = {
    "github.com/kedacore/keda/v2@v2.21.0": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "sigs.k8s.io/gateway-api@v1.4.1": ("config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",),
    "github.com/prometheus-operator/prometheus-operator@v0.93.1": (
        f"{PROMETHEUS}_servicemonitors.yaml",
        f"{PROMETHEUS}_prometheusrules.yaml",
    ),
    "github.com/cloudnative-pg/cloudnative-pg@v1.27.0": ("config/crd/bases/postgresql.cnpg.io_clusters.yaml",),
}
DESCRIBING = frozenset({"description", "title", "example", "default", "status"})
OPEN = "x-kubernetes-preserve-unknown-fields"


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as JSON Schema has it, without what describes, and closed."""
    made: dict[str, Any] = {}
    for word, value in schema.items():
        if word == "properties":
            made[word] = {name: strict(field) for name, field in value.items()}
        elif word in ("items", "not") or (word == "additionalProperties" and isinstance(value, dict)):
            made[word] = strict(value)
        elif word in ("allOf", "anyOf", "oneOf"):
            made[word] = [{**part} for part in value]
        elif word not in DESCRIBING and not word.startswith("x-"):
            made[word] = value
    if schema.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
        made.pop("anyOf", None)
    if "properties" in made and not schema.get(OPEN):
        made.setdefault("additionalProperties", False)
    return made


def schemas(crd: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A file's name and the schema of each version that is served."""
    for version in crd["spec"]["versions"]:
        if version["served"]:
            schema = version["schema"]["openAPIV3Schema"]
            fields = {name: field for name, field in schema["properties"].items() if name != "status"}
            made = strict({**schema, "properties": fields})
            made["properties"]["metadata"] = {"type": "object"}
            group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
            yield f"{group}_{version['name']}_{kind}.json", made


def main() -> None:
    """Fetches the releases and writes the schemas."""
    SCHEMAS.mkdir(exist_ok=True)
    for module, paths in MODULES.items():
        name, version = module.split("@")
        with urllib.request.urlopen(f"{PROXY}/{name}/@v/{version}.zip") as answer:
            archive = zipfile.ZipFile(BytesIO(answer.read()))
        for path in paths:
            for file, schema in schemas(yaml.safe_load(archive.read(f"{module}/{path}"))):
                origin = {"$comment": f"From {module}, {path} (Apache-2.0), by tests/chart/crds.py"}
                (SCHEMAS / file).write_text(json.dumps({**origin, **schema}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
