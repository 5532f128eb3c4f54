"""Chance without state: every draw is a pure function of (seed, replication, purpose, place, entity, index).

So a draw does not depend on the order of events, two variants share their draws, and one replication can be run alone.
The generator is two rounds of the splitmix64 finaliser (Steele, Lea and Flood 2014) over a key. The scalar and the
vector form give the same bits: they are the same integer algebra.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, unique
from hashlib import sha256
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_ULP: Final = 2.0**-53
_LARGEST: Final = 1.0 - _ULP
_BLOCK: Final = 1024
_BLOCKS_KEPT: Final = 64
"""Blocks that one stream keeps: 64 x 1024 cases may be under way at once before a block is drawn a second time."""


@unique
class Purpose(IntEnum):
    """What a draw is for. Numbers are part of the recipe: add, never renumber.

    Blocks, as those of `sim.logs.Kind`: 1 the first engine; 30 attempts and resilience; 35 supply; 45 workflows and
    waiting; 50 platform; 65 change; 75 people.
    """

    ARRIVAL = 1
    ATTRIBUTE = 2
    ABILITY = 3
    NEED = 4
    SERVICE = 5
    LATENCY = 6
    CALL = 7
    SUCCESS = 8
    DETECTION = 9
    HAND_OFF = 10
    JITTER = 11
    PATIENCE = 12
    DECISION_LATENCY = 13
    DECISION_OUTAGE = 14
    CHOICE = 15
    WAIT = 16
    REVIEW = 17
    APPROVAL = 18
    BOUNCE = 19
    OUTAGE_BETWEEN = 20
    OUTAGE_REPAIR = 21
    OUTAGE_SEVERITY = 22
    LABEL = 23
    LABEL_DELAY = 24
    RING = 25
    MODULATION = 35
    BATCH = 36
    VOTE = 37
    VOTE_SERVICE = 38
    SELF_CHECK = 39
    GUARDRAIL = 40
    TOKENS_IN = 41
    TOKENS_OUT = 42
    DEADLINE = 43
    WITHDRAWAL = 44
    SPIKE = 50
    SLOT = 51
    LINK_LATENCY = 52
    LINK_LOSS = 53
    LINK_DUPLICATION = 55
    CONTRACT_SKEW = 56
    ROUTED_SERVICE = 65
    FORMAT = 66
    CONTRACT = 67
    ARM = 68
    NEW_FORMAT = 69
    ROLLOUT_LABEL = 70
    ROLLOUT_DELAY = 71
    ATTACK = 72
    POINT_LATENCY = 54
    LIVELOCK = 45
    BEHAVIOUR = 46
    OUGHT = 75
    STAMP = 76


def mix(z: int) -> int:
    """The splitmix64 finaliser on 64 bits."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def key(*words: int) -> int:
    """A 64-bit key of 64-bit words, such as (seed, replication, purpose, word of the place)."""
    h = mix((words[0] + _GOLDEN) & _MASK)
    for w in words[1:]:
        h = mix((h + w * _GOLDEN + _GOLDEN) & _MASK)
    return h


def word(name: str) -> int:
    """A 64-bit word of a name: draws follow names, so adding a part to a scenario leaves the others' draws alone."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big")


def unit(bits: int) -> float:
    """A number in (0, 1) of 64 random bits. The last of the 2^53 values would round to 1, so it is the one before."""
    u = ((bits >> 11) + 0.5) * _ULP
    return u if u < 1.0 else _LARGEST


def uniform(key: int, entity: int, index: int) -> float:
    """The draw of one entity and index under a key, in (0, 1)."""
    return unit(mix((mix((key + entity * _GOLDEN + _GOLDEN) & _MASK) + index * _GOLDEN + _GOLDEN) & _MASK))


def _mix_vector(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniforms(key: int, entities: npt.NDArray[np.uint64], index: int) -> npt.NDArray[np.float64]:
    """`uniform` for many entities, bit for bit."""
    golden = np.uint64(_GOLDEN)
    h = _mix_vector(entities * golden + np.uint64((key + _GOLDEN) & _MASK))
    h = _mix_vector(h + np.uint64((index * _GOLDEN + _GOLDEN) & _MASK))
    u = ((h >> np.uint64(11)).astype(np.float64) + 0.5) * _ULP
    return np.minimum(u, _LARGEST)


def uniforms_of_range(key: int, start: int, stop: int, index: int = 0) -> list[float]:
    """`uniform` for the entities start..stop-1."""
    values: list[float] = uniforms(key, np.arange(start, stop, dtype=np.uint64), index).tolist()
    return values


class Stream(Generic[T]):
    """The draws of one purpose at one place; `values` turns uniforms into values, each for itself.

    Indices below `width` are drawn for 1024 neighbouring entities at a time, which costs a tenth of drawing them
    singly; the values are the same.
    """

    __slots__ = ("_block", "_blocks", "_first", "_key", "_last", "_values", "_width")

    def __init__(self, key: int, values: Callable[[list[float]], list[T]], width: int = 1) -> None:
        self._key = key
        self._values = values
        self._width = width
        self._blocks: dict[int, list[T]] = {}
        self._block: list[T] = []
        """The block of index 0 that was read last, of the entities from first to last: most draws come from it."""
        self._first = 0
        self._last = -1

    def at(self, entity: int, index: int) -> T:
        """The value of one entity and index."""
        if not index and self._first <= entity <= self._last:
            return self._block[entity - self._first]
        if index >= self._width:
            return self._values([uniform(self._key, entity, index)])[0]
        number = entity // _BLOCK
        block = self._blocks.get(number * self._width + index) or self._load(number, index)
        if not index:
            self._block, self._first, self._last = block, number * _BLOCK, number * _BLOCK + _BLOCK - 1
        return block[entity % _BLOCK]

    def _load(self, number: int, index: int) -> list[T]:
        if len(self._blocks) >= _BLOCKS_KEPT * self._width:
            del self._blocks[next(iter(self._blocks))]
        start = number * _BLOCK
        block = self._values(uniforms_of_range(self._key, start, start + _BLOCK, index))
        self._blocks[number * self._width + index] = block
        return block


class Draws:
    """The draws of one replication: a stream for each purpose and place."""

    def __init__(self, seed: int, replication: int) -> None:
        self._seed = seed
        self._replication = replication

    def key(self, purpose: Purpose, place: str) -> int:
        return key(self._seed, self._replication, int(purpose), word(place))

    def stream(
        self, purpose: Purpose, place: str, values: Callable[[list[float]], list[T]], width: int = 1
    ) -> Stream[T]:
        return Stream(self.key(purpose, place), values, width)

    def uniforms(self, purpose: Purpose, place: str, width: int = 1) -> Stream[float]:
        return Stream(self.key(purpose, place), _themselves, width)


def _themselves(us: list[float]) -> list[float]:
    return us
