"""Public policy sets for agents: findings that are known to be there, and nothing undecided."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.cedar.load import load_policies
from models.cedar.policies import PolicySet
from verify import cvc5_backend, z3_backend
from verify.findings import Finding, Findings
from verify.verify import verify

AGENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "cedar" / "agents"
pytestmark = pytest.mark.skipif(not AGENTS.is_dir(), reason="the public policy sets are not beside the project")


@pytest.fixture(scope="module")
def tiered() -> PolicySet:
    return load_policies(AGENTS / "aws-samples" / "policies", profile="tiered", root=AGENTS)


@pytest.fixture(scope="module")
def found(tiered: PolicySet) -> Findings:
    return verify(tiered)


def violated(findings: Findings, check: str) -> dict[frozenset[str], Finding]:
    some = [f for f in findings.findings if f.check == check and f.verdict == "violated"]
    return {frozenset(p.name for p in finding.policies): finding for finding in some}


def test_a_timeout_under_a_stricter_one_is_dead(found: Findings) -> None:
    finding = violated(found, "P204")[frozenset({"force_push_main", "force_push_any"})]
    assert "can never apply" in finding.message
    assert "600" in finding.message
    assert "5m" in finding.message
    assert finding.proof is not None
    assert (finding.proof.solver, finding.proof.checked_by) == ("z3", "cvc5")


def test_overlapping_rules_with_different_timeouts_have_a_witness(found: Findings) -> None:
    finding = violated(found, "P204")[frozenset({"write_env_files", "write_credentials"})]
    assert finding.witness is not None
    assert finding.witness.context == {"file_path": "credentials.env"}
    assert finding.environment == 'Agent::Principal, Agent::Action::"write_file", Agent::Tool'


def test_the_known_overlap_and_no_more(found: Findings) -> None:
    assert violated(found, "P204").keys() == {
        frozenset({"force_push_main", "force_push_any"}),
        frozenset({"force_push_main", "push_to_protected_branch"}),
        frozenset({"write_env_files", "write_credentials"}),
    }
    graver = {f.check for f in found.findings if f.verdict == "violated" and f.severity != "info"}
    assert graver == {"P103", "P204"}


def test_without_a_schema_every_gate_that_reads_an_attribute_may_be_skipped(found: Findings) -> None:
    (finding,) = [f for f in found.findings if f.check == "P103" and f.verdict == "violated"]
    assert finding.severity == "warning"
    assert len(finding.policies) == 11
    assert "no schema says that it is there" in finding.message


def test_nothing_is_undecided_and_every_proof_is_repeated(found: Findings) -> None:
    assert not [f for f in found.findings if f.verdict == "undecided"]
    asked = [f.proof for f in found.findings if f.proof and f.proof.solver != "folded"]
    assert {proof.checked_by for proof in asked} <= {"cedarpy", "cvc5"}
    assert {f.check for f in found.findings if f.proof and f.proof.solver == "folded"} <= {"P107", "P203"}


def test_the_same_input_gives_the_same_findings_and_scripts(tiered: PolicySet, found: Findings) -> None:
    again = verify(tiered)
    assert again.findings == found.findings
    assert again.scripts == found.scripts


def test_names_of_both_tiers_are_told_apart(found: Findings) -> None:
    assert len({f.id for f in found.findings}) == len(found.findings)


def test_scripts_say_what_the_findings_say(found: Findings) -> None:
    proved = [f for f in found.findings if f.proof and f.proof.solver == "z3" and f.proof.checked_by == "cvc5"]
    assert proved
    for finding in proved:
        assert finding.proof is not None
        for script in found.scripts[finding.proof.smt2_sha256].split("(reset)\n"):
            assert z3_backend.check(script, 10_000_000).status == "unsat"
            assert cvc5_backend.check(script, 2_000_000).status == "unsat"


@pytest.mark.parametrize("file", sorted(p.relative_to(AGENTS).as_posix() for p in AGENTS.glob("agt/**/*.cedar")))
def test_the_toolkit_sets_are_decided(file: str) -> None:
    findings = verify(load_policies(AGENTS / file))
    assert [f.message for f in findings.findings if "unsupported" in f.message] == []
