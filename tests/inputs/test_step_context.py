"""What a step's request lacks of its context: how the scenario gives it, or that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.diagnostics import Diagnostic, InputError
from models.load import load
from windtunnel.new import new_scenario

TYPES = {
    "urgent": ("Bool", "a Bool", "add it to `work.requests.attributes`"),
    "amuont": ("Long", "a Long", "did you mean `amount`?"),
    "net": ("{ zone: String }", "a record", "add its attributes, such as `net.zone`, to `work.requests.attributes`"),
    "amounts": ("decimal", "a decimal", "no scenario can give one: make it optional in the schema"),
    "source": ("ipaddr", "an ipaddr", "no scenario can give one: make it optional in the schema"),
    "tags": ("Set<String>", "a set", "no scenario can give one: make it optional in the schema"),
}


def lacking(folder: Path, name: str, type: str) -> Diagnostic:
    new_scenario(folder)
    schema = folder / "policies" / "policies.cedarschema"
    schema.write_text(schema.read_text().replace("amount: Long", f"amount: Long, {name}: {type}"))
    with pytest.raises(InputError) as raised:
        load(folder)
    (fault,) = raised.value.diagnostics
    return fault


@pytest.mark.parametrize("name", TYPES)
def test_what_a_request_lacks_is_told_with_how_to_give_it(name: str, tmp_path: Path) -> None:
    type, told, help = TYPES[name]
    fault = lacking(tmp_path / "desk", name, type)
    assert fault.message.endswith(f"needs the context attribute `{name}`, {told}")
    assert help in fault.help
    assert ("did you mean" in fault.help) == ("did you mean" in help)


@pytest.mark.parametrize(
    ("type", "help"),
    [
        ("decimal", "no scenario can give one: make it optional in the schema, or leave the step's `action` out"),
        ("datetime", "no scenario can give one"),
        ("ipaddr", "no scenario can give one"),
        ("Set<Long>", "no scenario can give one"),
        ("{ low: Long }", "dots in the names"),
        ("String", "a text or `choice(...)` gives a String"),
    ],
)
def test_what_a_request_gives_of_another_type_is_told_with_how_to_give_it(type: str, help: str, tmp_path: Path) -> None:
    new_scenario(tmp_path / "desk")
    schema = tmp_path / "desk" / "policies" / "policies.cedarschema"
    schema.write_text(schema.read_text().replace("amount: Long", f"amount: {type}"))
    for policies in (tmp_path / "desk" / "policies").glob("*.cedar"):
        policies.write_text("permit(principal, action, resource);")
    with pytest.raises(InputError) as raised:
        load(tmp_path / "desk")
    (fault,) = (one for one in raised.value.diagnostics if "`amount`" in one.message)
    assert fault.message.startswith("`amount` is Long, and ")
    assert help in fault.help
