"""Statements of every kind for tests of formats, and texts that mean something to whoever reads them carelessly."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from reports.fingerprints import fingerprint
from reports.statements import Statement, Told
from verify.findings import Location, PolicyRef

HOSTILE: Final = (
    "1) one", "1. one", "+ x", "- x", "===", "---", "***", "> quoted", "    code", "[a]: //evil.example", "~~~", "```",
    "<script>alert(1)</script>", "</pre></details><img src=x onerror=alert(1)>", "a\n::error::boom", "::error::boom",
    "x ::add-mask::secret", "##[error]boom", "before ##[add-mask]secret", "a\r\n- [ ] # heading", "`code` `open",
    "| a | b |\n|---|---|", "**bold** _it_ ~~gone~~ [text](https://evil.example) ![i](//evil.example/x.png)",
    "@everybody #1 GH-2 www.evil.example https://evil.example a@evil.example", "\x1b[31mred\x1b[0m\x07\x08",
    "\u202eright to left\u2066", "\x00\x0b\ufffe\uffff\ud800", "]]> <![CDATA[", "&amp; &lt; \" ' \\",
    "%0A%25::warning::x",
    "\u2028\u2029\x85", "a,b:c=d", "{0} {1}", "[text](javascript:alert(1))", "$(rm -rf /) ${HOME}",
    "\U000e0041\ufeff\u200b",
)  # fmt: skip

KINDS: Final = (
    Statement("", "P101", "never-matches", "fail", "error", "`a` can match nothing.", Location("p/a.cedar", 3)),
    Statement("", "P204", "ambiguous-escalation", "open", "error", "undecided: budget.", Location("p/a.cedar", 7)),
    Statement("", "P104", "redundant", "fail", "warning", "`b` says nothing new.", Location("p/b.cedar", 9)),
    Statement("", "D401", "newly-allowed", "review", "note", "Denied before. Allowed now.", Location("p/b.cedar", 2)),
    Statement("", "P107", "undecided-request", "informational", "note", "No policy speaks.", Location("p/a.cedar", 0)),
    Statement("", "P105", "overridden", "fail", "error", "`c` is overridden.", Location("p/c.cedar", 1),
        waived="Known."),
    Statement("", "P106", "conflict", "fail", "error", "`d` is in conflict.", Location("p/d.cedar", 1),
        since="unchanged"),
    Statement("", "P103", "may-error", "fail", "error", "`e` errs.", Location("p/e.cedar", 1), since="absent"),
    Statement("", "P201", "unreachable-escalation", "fail", "error", "`f`.", Location("p/f.cedar", 4), since="new"),
    Statement("", "objective", "answered", "pass", "error", "98% of cases.", Location("scenario.yaml", 12)),
    Statement("", "replication", "could-not-be-run", "open", "error", "Replication 3 was not run.", Location("", 0)),
)  # fmt: skip
"""One statement for each of what can become of one, without their fingerprints."""


def every_kind() -> tuple[Statement, ...]:
    """Statements of every kind, with a witness each and a place more."""
    related = (PolicyRef("other", Location("p/other.cedar", 5)),)
    return tuple(
        replace(one, fingerprint=fingerprint(one.rule, str(n)), detail='U::"a" {n: 1}\nmore', related=related)
        for n, one in enumerate(KINDS)
    )


def told(*statements: Statement, verdict: str = "fail", exit_code: int = 1, title: str = "desk") -> Told:
    """What is told of statements."""
    return Told(title, verdict, exit_code, ("One thing fails.",), statements, {"scenario": "desk", "seed": "7"})


def hostile(text: str) -> Told:
    """A text in every place that a user's file can reach, in statements of every kind."""
    where = PolicyRef(text, Location(text, 3))
    some = tuple(
        replace(
            one,
            name=one.name if one.rule.startswith(("P", "D")) else text,
            message=f"`{text}` ({text}:3) says {text}",
            location=Location(text, 3),
            related=(where,),
            detail=f"{text}\n{text}",
            waived=text if one.waived else "",
        )
        for one in every_kind()
    )
    return Told(text, "fail", 1, (text, f"x {text}"), some, {"scenario": text, text or "-": text})
