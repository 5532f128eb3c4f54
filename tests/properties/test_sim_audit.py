"""The audit notices any change to a run, and names the place of a change in the decision log."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from models.diagnostics import InputError
from sim.audit import audit
from sim.decision_log import Chain, chained_hashes, identity, merkle_root, seal


def test_an_untouched_run_is_intact(flown: Path) -> None:
    result = audit(flown)
    assert result.intact
    assert result.rows == pq.read_metadata(flown / "decisions.parquet").num_rows > 80
    assert "intact" in result.lines()[0]


def test_every_byte_of_the_decision_log_counts(copy: Path) -> None:
    """Flip one byte after the other, in steps: the audit notices each, and names rows where it lies among them."""
    log = copy / "decisions.parquet"
    data = log.read_bytes()
    rows_end = data.rindex(re.compile(rb"[0-9a-f]{64}").findall(data)[-1]) + 64
    named = 0
    for position in range(0, len(data), 61):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        log.write_bytes(changed)
        result = audit(copy)
        assert not result.intact, position
        named += "row" in result.faults[0]
        if 4 <= position < rows_end and "row" not in result.faults[0]:
            assert result.faults == (result.faults[0],)
            assert "sha256" in result.faults[0], "a change that alters no row, such as of a page's own header"
    assert named > 0.9 * rows_end / 61


def test_a_changed_cell_is_named_by_its_row(copy: Path) -> None:
    log = copy / "decisions.parquet"
    data = bytearray(log.read_bytes())
    row_of = {row["hash"]: (row["replication"], row["sequence"]) for row in pq.read_table(log).to_pylist()}
    hash_ = sorted(row_of)[7]
    data[data.index(hash_.encode())] ^= 1
    log.write_bytes(data)
    replication, sequence = row_of[hash_]
    assert f"row {sequence} of replication {replication} " in audit(copy).faults[0]


def rewrite(folder: Path, rows: list[dict[str, object]]) -> None:
    """Write the log anew, and its digest into the manifest: only the chain and the seals can tell."""
    log = folder / "decisions.parquet"
    schema = pq.read_schema(log)
    pq.write_table(pq.read_table(log).from_pylist(rows, schema), log)
    manifest = json.loads((folder / "run.json").read_text())
    manifest["tables"]["decisions.parquet"] = sha256(log.read_bytes()).hexdigest()
    (folder / "run.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("forgery", ["edit", "drop", "drop last", "swap", "repeat", "move"])
def test_a_forger_who_mends_the_digest_is_caught_by_the_chain(copy: Path, forgery: str) -> None:
    rows = pq.read_table(copy / "decisions.parquet").to_pylist()
    at = next(n for n, row in enumerate(rows) if row["decision"] == "deny")
    match forgery:
        case "edit":
            rows[at] |= {"decision": "allow", "enforced": "allow"}
        case "drop":
            del rows[at]
        case "drop last":
            del rows[-1]
        case "swap":
            rows[at], rows[at + 1] = rows[at + 1], rows[at]
        case "repeat":
            rows.append(rows[-1])
        case "move":
            rows[at]["replication"] = (rows[at]["replication"] + 1) % 3
    rewrite(copy, rows)
    result = audit(copy)
    assert not result.intact
    assert re.search(r"row \d+", result.faults[0])


def test_a_forger_who_mends_the_chain_too_is_caught_by_the_seal(copy: Path) -> None:
    rows = pq.read_table(copy / "decisions.parquet").to_pylist()
    manifest = json.loads((copy / "run.json").read_text())
    rows[0] |= {"decision": "allow", "enforced": "allow", "reason": "trust me"}
    for replication in range(3):
        mine = [row for row in rows if row["replication"] == replication]
        before = identity(manifest["scenario_digest"], manifest["seed"], replication)
        for row, hash_ in zip(mine, chained_hashes(before, (tuple(r.values())[:-1] for r in mine)), strict=True):
            row["hash"] = hash_
    rewrite(copy, rows)
    assert "not as its seal in run.json says" in audit(copy).faults[0]


@pytest.mark.parametrize("name", ["cases.parquet", "events.parquet", "samples.parquet", "scenario.json"])
def test_the_other_files_are_watched_by_their_digests(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    assert f"{name}: sha256" in audit(copy).faults[0]
    (copy / name).unlink()
    assert f"{name}: cannot be read" in audit(copy).faults[0]


def test_a_missing_log_is_a_fault(copy: Path) -> None:
    (copy / "decisions.parquet").unlink()
    assert "decisions.parquet: cannot be read" in audit(copy).faults[0]


# --- the seal ---------------------------------------------------------------------------------------------------------


def test_the_root_pairs_neighbours_level_by_level() -> None:
    a, b, c = (sha256(bytes([n])).hexdigest() for n in range(3))
    pair = sha256(bytes.fromhex(a) + bytes.fromhex(b)).hexdigest()
    assert merkle_root([]) == sha256(b"").hexdigest()
    assert merkle_root([a]) == a
    assert merkle_root([a, b]) == pair
    assert merkle_root([a, b, c]) == sha256(bytes.fromhex(pair) + bytes.fromhex(c)).hexdigest()


def _level_by_level(hashes: list[str]) -> str:
    """The definition of the root: neighbours are paired, the last without one moves up."""
    level = [bytes.fromhex(one) for one in hashes]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)] + odd
    return level[0].hex()


def test_the_root_of_a_growing_log_is_that_of_all_its_rows_at_any_moment() -> None:
    hashes = [sha256(bytes([n])).hexdigest() for n in range(140)]
    chain = Chain("00")
    for count, one in enumerate(hashes, 1):
        chain.append(one)
        assert chain.seal() == (count, one, _level_by_level(hashes[:count]))
        assert len(chain._trees) == count.bit_count()
    assert merkle_root([hashes[1], hashes[0], *hashes[2:]]) != merkle_root(hashes), "the order counts"


def test_a_chain_grows_the_same_by_one_row_and_by_many() -> None:
    rows = [(0, n, str(n)) for n in range(29)]
    whole, pieces = Chain("ab" * 32), Chain("ab" * 32)
    hashes = whole.extend(rows)
    assert [one for start in range(0, 29, 5) for one in pieces.extend(rows[start : start + 5])] == hashes
    assert whole.seal() == pieces.seal() == seal("ab" * 32, chained_hashes("ab" * 32, rows))


def test_a_hash_covers_the_row_and_all_before_it() -> None:
    first = identity("digest", 1, 0)
    rows = [(0, 0, "a"), (0, 1, "b"), (0, 2, "c")]
    hashes = chained_hashes(first, rows)
    expected = sha256(bytes.fromhex(first) + b'[0,0,"a"]').hexdigest()
    assert hashes[0] == expected
    assert chained_hashes(first, [(0, 0, "x"), *rows[1:]])[2] != hashes[2]
    assert identity("digest", 1, 1) != first != identity("other", 1, 0)
    assert seal(first, hashes) == (3, hashes[2], merkle_root(hashes))
    assert seal(first, []) == (0, first, sha256(b"").hexdigest())


def test_a_manifest_that_points_outside_is_refused(copy: Path) -> None:
    manifest = json.loads((copy / "run.json").read_text())
    manifest["tables"]["../secret"] = "0" * 64
    (copy / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="outside the run folder"):
        audit(copy)
