"""The decision log's seal: a hash chain over the rows of each replication, and the Merkle root over their hashes.

A row's hash is sha256(hash of the row before, then the row as JSON). The first row follows a hash of the run's
identity, so rows cannot be moved between runs or replications. The root pairs neighbouring hashes, level by level; a
last one without a neighbour moves up as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
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


class Chain:
    """The decision log of one replication as it grows. Of its rows it keeps their number, the last hash, and the root
    of each full tree among their hashes: no more of them than the number of rows has bits."""

    def __init__(self, before: str) -> None:
        self.rows = 0
        self.head = before
        """Hash of the last row; at first the hash before it."""
        self._trees: list[bytes] = []
        """Roots of full trees, the largest first: one of 2^k rows for each bit k that is set in the number of rows."""

    def extend(self, rows: Iterable[Row]) -> list[str]:
        """Add rows; their hashes."""
        hashes = chained_hashes(self.head, rows)
        for one in hashes:
            self.append(one)
        return hashes

    def add(self, row: Row) -> None:
        """Add a row."""
        self.append(chained(self.head, row))

    def append(self, head: str) -> None:
        """Add a row by its hash, which follows from the last."""
        tree, full = bytes.fromhex(head), self.rows
        while full & 1:  # as in counting by one: two trees of a size become one of twice the size
            tree = sha256(self._trees.pop() + tree).digest()
            full >>= 1
        self._trees.append(tree)
        self.rows += 1
        self.head = head

    def seal(self) -> Seal:
        """The seal of the rows so far."""
        if not self._trees:
            return Seal(0, self.head, sha256().hexdigest())
        root = self._trees[-1]
        for tree in self._trees[-2::-1]:
            root = sha256(tree + root).digest()
        return Seal(self.rows, self.head, root.hex())


def merkle_root(hashes: Iterable[str]) -> str:
    """The root over the rows' hashes; of no rows, the hash of nothing."""
    return seal("", hashes).root


def seal(before: str, hashes: Iterable[str]) -> Seal:
    """The seal of rows with these hashes."""
    chain = Chain(before)
    for one in hashes:
        chain.append(one)
    return chain.seal()
