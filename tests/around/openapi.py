"""The schema of the Delivery API as JSON Schema. Unlike the original, it rejects unknown fields."""

from pathlib import Path
from typing import Any, Dict

import pytest

from tests.support import installing

#: Objects with arbitrary values. The schema declares the values as objects, but the service sends strings and numbers.
UNRESTRICTED = ("ResponseTokens", "TraceResponse")


class Schema:
    """The schema of one component of the API."""

    def __init__(self, shared: Path, component: str) -> None:
        reason = "jsonschema or PyYAML is not installed: " + installing("test")
        self._jsonschema = pytest.importorskip("jsonschema", reason=reason)
        self._yaml = pytest.importorskip("yaml", reason=reason)
        self._files: Dict[Path, Any] = {}
        (path,) = (shared / "openapi").rglob(component + ".yaml")
        self.schema = self._resolve({"$ref": f"{path.name}#/{component}"}, path)

    def check(self, document: object) -> None:
        """Raise the error of the validator if the document does not match the component."""
        self._jsonschema.validate(document, self.schema)

    def _resolve(self, node: Any, path: Path) -> Any:
        if isinstance(node, list):
            return [self._resolve(item, path) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return self._resolve_reference(node["$ref"], path)
        node = {key: self._resolve(value, path) for key, value in node.items() if key != "discriminator"}
        for part in node.pop("allOf", []):
            for key, value in part.items():
                if isinstance(value, dict):
                    node.setdefault(key, {}).update(value)
                elif key != "additionalProperties":
                    node.setdefault(key, value)
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        return node

    def _resolve_reference(self, reference: str, path: Path) -> Any:
        name, _, component = reference.partition("#/")
        path = (path.parent / name).resolve() if name else path
        if path not in self._files:
            self._files[path] = self._yaml.safe_load(path.read_text("utf-8"))
        node = self._files[path]
        for key in component.split("/"):
            node = node[key]
        if component in UNRESTRICTED:
            return {"type": "object"}
        return self._resolve(node, path)
