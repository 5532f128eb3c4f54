"""The decision log's seal: a hash chain over the rows of each replication, and the Merkle root over their hashes.

A row's hash is sha256(hash of the row before, then the row as JSON). The first row follows a hash of the run's
identity, so rows cannot be moved between runs or replications. The root pairs neighbouring hashes, level by level; a
last one without a neighbour moves up as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

Row = tuple[Any, ...]
"""The columns of `sim.tables.DECISIONS` from `replication` to the one before `hash`, in order."""


class Seal(NamedTuple):
    """What a run's manifest keeps of one replication's decisions."""

    rows: int
    head: str
    """Hash of the last row (of the identity where there is none)."""
    root: str


def identity(digest: str, seed: int, replication: int, *, names_policies: bool = False) -> str:
    """The hash before the first row. Rows that name the policy set which decided are of version 2, others of 1."""
    version = 2 if names_policies else 1
    return sha256(f"windtunnel.decisions/{version} {digest} {seed} {replication}".encode()).hexdigest()


def chained(before: str, row: Row) -> str:
    """The hash of a row, from the hash of the row before it."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return sha256(bytes.fromhex(before) + text.encode()).hexdigest()


def chained_hashes(before: str, rows: Iterable[Row]) -> list[str]:
    """The hashes of rows that follow a hash."""
    hashes = []
    for row in rows:
        before = chained(before, row)
        hashes.append(before)
    return hashes


def merkle_root(hashes: Sequence[str]) -> str:
    """The root over the rows' hashes; of no rows, the hash of nothing."""
    level = [bytes.fromhex(h) for h in hashes]
    if not level:
        return sha256().hexdigest()
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(a + b).digest() for a, b in pairs] + odd
    return level[0].hex()


class Chain:
    """The seal of rows that come one by one and are not kept."""

    def __init__(self, before: str) -> None:
        self.rows = 0
        self._head = before
        self._roots: list[tuple[int, bytes]] = []
        """Roots of whole trees of so many rows, the larger first, as the digits of a binary number."""

    def add(self, row: Row) -> None:
        self._head = chained(self._head, row)
        self.rows += 1
        size, root = 1, bytes.fromhex(self._head)
        while self._roots and self._roots[-1][0] == size:
            _, left = self._roots.pop()
            size, root = 2 * size, sha256(left + root).digest()
        self._roots.append((size, root))

    def seal(self) -> Seal:
        """As `seal` of all rows together: a last tree without a neighbour moves up as it is."""
        root = None
        for _, left in reversed(self._roots):
            root = left if root is None else sha256(left + root).digest()
        return Seal(self.rows, self._head, sha256().hexdigest() if root is None else root.hex())


def seal(before: str, hashes: Sequence[str]) -> Seal:
    return Seal(len(hashes), hashes[-1] if hashes else before, merkle_root(hashes))
