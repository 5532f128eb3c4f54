"""The store of a policy set is in one order, whatever order the file or Cedar has."""

from __future__ import annotations

import json
import random
from typing import Any

from models.cedar.load import policy_set

SCHEMA = """
entity Team in [Team];
entity Bot in [Team] = { level: Long, name: String, spend: decimal, where: { city: String, floor: Long } } tags String;
action "a" appliesTo { principal: [Bot], resource: [Team] };
"""
NAMES = [f"t{number}" for number in range(12)]
BOT: dict[str, Any] = {
    "uid": {"type": "Bot", "id": "b"},
    "attrs": {"level": 1, "name": "b", "spend": "1.0", "where": {"city": "x", "floor": 2}},
    "tags": {name: name for name in NAMES},
    "parents": [{"type": "Team", "id": name} for name in NAMES],
}


def shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(inner, chance) for key, inner in chance.sample(list(value.items()), len(value))}
    return chance.sample(value, len(value)) if isinstance(value, list) else value


def test_a_store_is_the_same_text_each_time_it_is_read() -> None:
    teams = [{"uid": {"type": "Team", "id": name}, "attrs": {}, "parents": []} for name in NAMES]
    chance = random.Random(3)
    texts = {
        json.dumps(policy_set("permit(principal, action, resource);", SCHEMA, shuffled([BOT, *teams], chance)).entities)
        for _ in range(8)
    }
    assert len(texts) == 1
    (text,) = texts
    bot = next(entity for entity in json.loads(text) if entity["uid"]["type"] == "Bot")
    assert list(bot["attrs"]) == sorted(BOT["attrs"])
    assert [parent["id"] for parent in bot["parents"]] == sorted(NAMES)
