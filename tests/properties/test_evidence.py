"""Evidence: what it says, that nothing of a run can be changed without being told, and the envelope it is signed in."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.dsse import Envelope

import windtunnel as wt
from models.diagnostics import InputError
from models.load import LoadedScenario
from reports.evidence import check
from reports.evidence.dsse import PAYLOAD_TYPE
from reports.evidence.statement import PREDICATE, TYPE, canonical, statement
from windtunnel.cli import exit_code

SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""The first test vector of RFC 8032, section 7.1."""


@pytest.fixture(scope="module")
def verified(small: LoadedScenario, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was verified and reported."""
    folder = tmp_path_factory.mktemp("verified") / "run"
    findings = wt.verify(small)
    run = wt.simulate(small, folder, workers=1, findings=findings)
    wt.report(run, findings, folder / "report.html")
    return folder


@pytest.fixture
def run(verified: Path, tmp_path: Path) -> Path:
    """A copy with its evidence, to tamper with."""
    folder = Path(shutil.copytree(verified, tmp_path / "run"))
    wt.evidence(wt.open_run(folder))
    return folder


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    private, public = tmp_path / "key.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def told(folder: Path, **given: object) -> str:
    """What a check says: its result, or that the input is wrong."""
    try:
        return wt.verify_evidence(folder, **given).result  # type: ignore[arg-type]
    except InputError:
        return "refused"


def test_the_statement_has_what_the_specifications_ask_for(run: Path) -> None:
    """in-toto Statement v1, and the predicate test-result v0.1."""
    value = json.loads((run / "evidence.intoto.json").read_bytes())
    assert value["_type"] == "https://in-toto.io/Statement/v1"
    assert value["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    names = [one["name"] for one in value["subject"]]
    assert len(set(names)) == len(names)
    assert {"run.json", "scenario.json", "findings.json", "report.html", "decisions.parquet"} <= set(names)
    assert any(name.startswith("proofs/") for name in names)
    for one in (*value["subject"], *value["predicate"]["configuration"]):
        assert len(one["digest"]["sha256"]) == 64
    assert value["predicate"]["result"] in ("PASSED", "WARNED", "FAILED")
    assert value["predicate"]["passedTests"]


def test_the_same_run_has_the_same_evidence(run: Path) -> None:
    before = (run / "evidence.intoto.json").read_bytes()
    assert wt.evidence(wt.open_run(run)).read_bytes() == before
    assert str(run).encode() not in before


def test_what_is_undecided_is_no_pass(small: LoadedScenario, tmp_path: Path) -> None:
    alone = wt.simulate(small, tmp_path / "run", workers=1)
    predicate = statement(alone)["predicate"]
    assert wt.assess(alone).objectives == ()
    assert (predicate["windtunnel_verdict"], predicate["result"]) == ("undecided", "FAILED")
    assert predicate["windtunnel_verified"] is False


def test_an_untouched_run_is_what_its_evidence_says(run: Path, keys: tuple[Path, Path]) -> None:
    assert told(run) == "pass"
    assert told(run / "evidence.intoto.json") == "pass"
    wt.evidence(wt.open_run(run), key=keys[0])
    assert not (run / "evidence.intoto.json").exists()
    assert told(run, public_key=keys[1]) == "pass"
    assert told(run) == "undecided", "the signature was not looked at"


def _flips(data: bytes, count: int) -> list[int]:
    """Places over the whole of a file, its ends among them."""
    last = len(data) - 1
    return sorted({last * n // (count - 1) for n in range(count)})


def _every_flip_is_told(run: Path, count: int) -> None:
    files = sorted(path for path in run.iterdir())
    assert len(files) >= 9
    for file in files:
        data = file.read_bytes()
        for place in _flips(data, count):
            file.write_bytes(data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :])
            of_evidence = file.name.startswith(
                "evidence"
            )  # flipped in the version that judged, no judgement is checked
            expected = ("fail", "refused", "undecided") if of_evidence else ("fail", "refused")
            assert told(run) in expected, (file.name, place)
        file.write_bytes(data)
    assert told(run) == "pass"


def test_a_flipped_bit_anywhere_is_told(run: Path) -> None:
    _every_flip_is_told(run, 7)


@pytest.mark.long
def test_a_flipped_bit_anywhere_is_told_at_many_places(run: Path) -> None:
    _every_flip_is_told(run, 90)


def test_a_check_that_skips_a_file_is_seen_through_by_the_test_above(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = check.file_digest
    report = honest(run / "report.html")
    monkeypatch.setattr(check, "file_digest", lambda file: report if file.name == "report.html" else honest(file))
    monkeypatch.setattr(check, "statement", lambda *_: json.loads((run / "evidence.intoto.json").read_bytes()))
    with pytest.raises(AssertionError, match=r"report\.html"):
        _every_flip_is_told(run, 3)


def _cut(run: Path) -> None:
    file = run / "cases.parquet"
    file.write_bytes(file.read_bytes()[:-100])


def _swap(run: Path) -> None:
    one, other = run / "cases.parquet", run / "samples.parquet"
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def _link(run: Path) -> None:
    (run / "report.html").rename(run.parent / "elsewhere.html")
    (run / "report.html").symlink_to(run.parent / "elsewhere.html")


def _restate(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = run / "evidence.intoto.json"
    value = json.loads(file.read_bytes())
    change(value)
    file.write_bytes(canonical(value) + b"\n")


TAMPERED: dict[str, Callable[[Path], None]] = {
    "a table is cut short": _cut,
    "two tables are swapped": _swap,
    "a file is missing": lambda run: (run / "samples.parquet").unlink(),
    "the report is missing": lambda run: (run / "report.html").unlink(),
    "a file is a link": _link,
    "a table is added": lambda run: (run / "counts.parquet").write_bytes(b"x"),
    "the verdict is another": lambda run: _restate(run, lambda v: v["predicate"].update(windtunnel_verdict="pass ")),
    "a failed test is gone": lambda run: _restate(run, lambda v: v["predicate"]["passedTests"].pop()),
    "a subject is gone": lambda run: _restate(run, lambda v: v["subject"].pop()),
    "the report is not told": lambda run: _restate(
        run, lambda v: v.update(subject=[s for s in v["subject"] if s["name"] != "report.html"])
    ),
    "a subject is elsewhere": lambda run: _restate(
        run, lambda v: v["subject"].append({"name": "../../etc/passwd", "digest": {"sha256": "0" * 64}})
    ),
    "a root is another": lambda run: _restate(run, lambda v: v["predicate"]["windtunnel_decisionLogRoots"].reverse()),
    "a policy's digest is another": lambda run: _restate(
        run, lambda v: v["predicate"]["configuration"][1]["digest"].update(sha256="0" * 64)
    ),
    "something is added": lambda run: _restate(run, lambda v: v.update(extra=1)),
    "subjects are no list": lambda run: _restate(run, lambda v: v.update(subject={"name": 3})),
    "the predicate is a list": lambda run: _restate(run, lambda v: v.update(predicate=[])),
    "true is written as 1": lambda run: _restate(run, lambda v: v["predicate"].update(windtunnel_verified=1)),
    "a count is written as another number": lambda run: _restate(
        run,
        lambda v: v["predicate"]["windtunnel_run"].update(
            replications=float(v["predicate"]["windtunnel_run"]["replications"])
        ),
    ),
    "nothing is added": lambda run: _restate(run, lambda v: v["predicate"].update(extra=None)),
    "who judged is gone": lambda run: _restate(run, lambda v: v["predicate"].pop("windtunnel_judgedBy")),
    "the threshold is unknown": lambda run: _restate(run, lambda v: v["predicate"].update(windtunnel_failOn="no")),
}


@pytest.mark.parametrize("tampering", TAMPERED.values(), ids=TAMPERED)
def test_tampering_is_told(run: Path, tampering: Callable[[Path], None]) -> None:
    tampering(run)
    assert told(run) == "fail"


def test_a_printed_report_is_part_of_the_evidence_and_other_files_are_named_as_none_of_it(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "report.pdf").write_bytes(b"%PDF-1.4 one")
    assert told(run) == "fail"  # printed after the evidence was written
    wt.evidence(wt.open_run(run))
    assert told(run) == "pass"
    assert wt.verify_evidence(run).beside == ()
    (run / "approved \x1b[1m.txt").write_text("all is well")
    assert exit_code(["evidence", "verify", str(run)]) == 0
    text = capsys.readouterr().out
    assert "no part of the evidence: `approved" in text
    assert "\x1b" not in text
    (run / "report.pdf").write_bytes(b"%PDF-1.4 two")
    assert told(run) == "fail"


def test_evidence_of_another_run_is_no_evidence(run: Path, small: LoadedScenario, tmp_path: Path) -> None:
    other = wt.simulate(small, tmp_path / "other", workers=1, seed=99).folder
    shutil.copy(run / "evidence.intoto.json", other)
    assert told(other) == "fail"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "{}", '{"a":1,"a":2}', "[" * 100_000, '{"payload": 3}', '{"payload": "", "payloadType": 1}'),
        *(
            f'{{"_type":"{TYPE}","a":{number},"predicateType":"{PREDICATE}"}}'
            for number in ("NaN", "-Infinity", "1e999")
        ),
    ],
)
def test_what_is_no_evidence_is_refused(run: Path, text: str) -> None:
    (run / "evidence.intoto.json").write_text(text)
    assert told(run) == "refused"


def test_a_changed_version_leaves_the_verdict_unchecked(run: Path) -> None:
    _restate(run, lambda v: v["predicate"].update(windtunnel_judgedBy="0.0.1"))
    found = wt.verify_evidence(run)
    assert found.result == "undecided"
    assert "another version" in found.unchecked[0]


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_the_encoding_before_signing_is_the_specifications_example() -> None:
    """DSSE, protocol.md: PAE of `hello world` with the type `http://example.com/HelloWorld`."""
    whole = Envelope(b"hello world", "http://example.com/HelloWorld", {})
    assert whole.pae() == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_the_signature_is_ed25519_over_that_encoding(run: Path, keys: tuple[Path, Path]) -> None:
    value = json.loads(wt.evidence(wt.open_run(run), key=keys[0]).read_text())
    assert value["payloadType"] == PAYLOAD_TYPE == "application/vnd.in-toto+json"
    payload = base64.b64decode(value["payload"])
    assert json.loads(payload)["_type"] == "https://in-toto.io/Statement/v1"
    [signature] = value["signatures"]
    encoded = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(base64.b64decode(signature["sig"]), encoded)


def _again(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    file = run / "evidence.intoto.jsonl"
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value) + "\n")


def test_a_signature_by_another_or_of_other_bytes_is_told(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    other.write_bytes(stranger.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wt.evidence(wt.open_run(run), key=other)
    assert told(run, public_key=keys[1]) == "fail"
    wt.evidence(wt.open_run(run), key=keys[0])
    sound = (run / "evidence.intoto.jsonl").read_text()
    for change in (
        lambda v: v["signatures"].clear(),
        lambda v: v.update(payloadType="application/json"),
        lambda v: v["signatures"][0].update(sig=base64.b64encode(bytes(64)).decode()),
    ):
        (run / "evidence.intoto.jsonl").write_text(sound)
        _again(run, change)
        assert told(run, public_key=keys[1]) == "fail"
    wt.evidence(wt.open_run(run))
    assert told(run, public_key=keys[1]) == "fail", "unsigned, where a signature is asked for"


@pytest.mark.parametrize("kind", ["none", "other", "encrypted", "missing", "public"])
def test_a_key_that_cannot_sign_is_refused(run: Path, keys: tuple[Path, Path], kind: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.pem"
    if kind == "none":
        file.write_text("hello")
    elif kind == "other":
        key = generate_private_key(SECP256R1())
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    elif kind == "encrypted":
        own = Ed25519PrivateKey.from_private_bytes(SECRET)
        file.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    elif kind == "public":
        file = keys[1]
    with pytest.raises(InputError) as refused:
        wt.evidence(wt.open_run(run), key=file)
    assert str(file) in str(refused.value)


# --- again, and from the command line ---------------------------------------------------------------------------------


def test_a_replay_compares_every_table(run: Path, small: LoadedScenario, monkeypatch: pytest.MonkeyPatch) -> None:
    found = wt.verify_evidence(run, replay=small, workers=1)
    assert found.result == "pass"
    assert "the tables, by simulating again" in found.checked
    with pytest.raises(InputError, match="is not the scenario of the run"):
        wt.verify_evidence(run, replay=wt.load(small.path, {"horizon": "500s"}), workers=1)


def test_tables_that_no_simulation_gives_are_told_by_a_replay_alone(
    small: LoadedScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes up a run and its evidence together passes every check but this one."""
    made_up = wt.simulate(small, tmp_path / "run", workers=1, seed=6)
    manifest = json.loads((made_up.folder / "run.json").read_text())
    real = wt.simulate(small, tmp_path / "real", workers=1)
    (real.folder / "samples.parquet").write_bytes((made_up.folder / "samples.parquet").read_bytes())
    own = json.loads((real.folder / "run.json").read_text())
    own["tables"]["samples.parquet"] = manifest["tables"]["samples.parquet"]
    (real.folder / "run.json").write_text(json.dumps(own, indent=1, ensure_ascii=False) + "\n")
    wt.evidence(wt.open_run(real.folder))
    assert told(real.folder) == "pass"
    found = wt.verify_evidence(real.folder, replay=small, workers=1)
    assert found.result == "fail"
    assert any("samples.parquet" in fault for fault in found.faults)


def test_the_commands_write_and_check(
    run: Path, keys: tuple[Path, Path], small: LoadedScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    private, public = map(str, keys)
    assert exit_code(["evidence", str(run), "--key", private]) == 0
    assert exit_code(["evidence", "verify", str(run), "--public-key", public, "--replay", str(small.path)]) == 0
    assert "as its evidence says" in capsys.readouterr().out
    assert exit_code(["evidence", "verify", str(run)]) == 3
    (run / "report.html").write_text("other")
    assert exit_code(["evidence", "verify", str(run), "--public-key", public]) == 1
    assert "fault: report.html: sha256 is" in capsys.readouterr().out
    assert exit_code(["evidence", str(run / "nowhere")]) == 2
    assert exit_code(["evidence", "verify", str(run), "--set", "seed=1"]) == 2
