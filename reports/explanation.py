"""`windtunnel verify --explain CHECK`: what a check asks, and every finding of it in full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from models.cedar.decision import decide, matching
from models.cedar.policies import Policy, PolicySet
from reports import words
from reports.console import indented, mark, open_console
from reports.verdict import Verdict, told_as
from reports.witness import uid, value
from verify.catalogue import CATALOGUE
from verify.explain import Involved, asked_request
from verify.findings import Clause, Finding, Findings, Suggestion, Witness
from verify.page import section

QUOTED_MAX: Final = 40
"""Lines of a policy that are quoted, and policies of a finding. An assumption about what is read."""

_CHANGES: Final = {
    "never-together": "clauses above that some request can meet together.",
    "nowhere": "a schema that admits such a request, or another scope.",
    "always": "a request of the scope that fails one of the clauses above.",
    "whenever": "a request that the first rule matches and the others leave alone: loosen its clauses above, or narrow "
    "the others'.",
    "then": "a request that the first rule matches and the others leave alone: narrow the clauses above.",
    "true": "for this request, another outcome of a clause above; for good, rules under which no request does this.",
    "errs": "a clause that can be evaluated on every request.",
}
"""What would change a verdict, by the role of the clause that decides first."""


def print_explanation(check: str, verdict: Verdict, findings: Findings, policies: PolicySet | None) -> None:
    """Print what a check is about, and its findings: rules quoted, the clauses that decide marked, the witness told."""
    console = open_console()
    entry = CATALOGUE[check]
    line = mark(console, verdict.result)
    line.append(f"  {entry.id} {entry.name}", style="bold")
    line.append(f"  {entry.severity}", style="dim")
    console.print(line)
    console.print()
    _page(console, section(check).replace(f"*{entry.question}*", entry.question, 1))
    own = [finding for finding in findings.findings if finding.check == check]
    if not own:
        why = findings.checked.get("not_asked", {}).get(check, "there is nothing here that it could be asked of")
        indented(console, f"No finding: {why}.", 0)
    told = [finding for finding in own if finding.verdict != "holds"]
    for number, finding in enumerate(told, 1):
        console.print()
        _finding(console, finding, policies, f"{number} of {len(told)}")
    held = [finding for finding in own if finding.verdict == "holds"]
    if held:
        console.print()
        console.print(mark(console, "holds"))
    for finding in held:
        indented(console, finding.message, 4)


def _page(console: Console, text: str) -> None:
    """Markdown as it stands, its paragraphs wrapped and its code and tables left alone."""
    fenced = False
    for block in text.split("\n\n"):
        fenced_here = block.startswith("```") or fenced
        if fenced_here or block.startswith("|"):
            fenced = fenced_here and block.count("```") % 2 == (0 if fenced else 1)
            for line in block.split("\n"):
                if not line.startswith("```"):
                    console.print(f"    {words.printable(line)}", markup=False, soft_wrap=True, style="dim")
        else:
            indented(console, " ".join(block.split("\n")), 0)
        console.print()


def _finding(console: Console, finding: Finding, policies: PolicySet | None, number: str) -> None:
    line = mark(console, told_as(finding))
    line.append(f"  {number}", style="bold")
    line.append(f"  {finding.id}", style="dim")
    console.print(line)
    indented(console, finding.message, 4)
    if policies is not None:
        for policy in _quoted(finding, policies):
            _quote(console, policy, [clause for clause in finding.because if _is_of(clause, policy)])
    if finding.reason:
        indented(console, f"why: {finding.reason}", 4)
    if finding.witness is not None:
        indented(console, f"the request: {_story(finding.witness, policies)}", 4)
    indented(console, f"what would change it: {_change(finding)}", 4)
    if finding.suggestion is not None:
        _suggestion(console, finding.suggestion)


# --- rules ------------------------------------------------------------------------------------------------------------


def _quoted(finding: Finding, policies: PolicySet) -> list[Policy]:
    """The policies that a finding names, and those whose clauses decide."""
    involved = Involved(policies)
    named = involved.policies(finding)
    whole = involved.asked(finding)
    beside = [p for p in whole.policies if p not in named and any(_is_of(clause, p) for clause in finding.because)]
    return [*named, *beside][:QUOTED_MAX]


def _is_of(clause: Clause, policy: Policy) -> bool:
    last = policy.span.line + policy.text.count("\n")
    return (clause.policy, clause.file) == (policy.name, policy.span.file) and policy.span.line <= clause.line <= last


def _quote(console: Console, policy: Policy, clauses: Sequence[Clause]) -> None:
    """The lines of a policy, with a mark under each clause."""
    indented(console, f"{policy.span.file}:{policy.span.line}", 4, style="dim")
    lines = (" " * (policy.span.column - 1) + policy.text).split("\n")
    for number, line in enumerate(lines[:QUOTED_MAX], policy.span.line):
        plain = words.printable(line.rstrip("\r"), keep="\t")
        console.print(f"    {number:>5} | {plain}", markup=False, soft_wrap=True, highlight=False)
        if marks := _marks(line, [clause for clause in clauses if clause.line == number]):
            console.print(f"          | {marks}", markup=False, soft_wrap=True, highlight=False)
    if len(lines) > QUOTED_MAX:
        console.print(f"      ... {len(lines) - QUOTED_MAX} more lines", markup=False)


def _marks(line: str, clauses: Iterable[Clause]) -> str:
    marks = ["\t" if character == "\t" else " " for character in line]
    for clause in clauses:
        start = clause.column - 1
        end = min(start + len(clause.text.split("\n")[0]), len(line))
        marks[start:end] = "^" * (end - start)
    return "".join(marks).rstrip()


# --- the witness ------------------------------------------------------------------------------------------------------


def _story(witness: Witness, policies: PolicySet | None) -> str:
    """The witness as a short story: who asks for what, with what, who they are, and what comes of it."""
    context = ", ".join(f"{name} = {value(given)}" for name, given in witness.context.items())
    told = [
        f"{witness.principal} asks for {witness.action} on {witness.resource}" + f", with {context}" * bool(context)
    ]
    told += [fact for entity in witness.entities if (fact := _facts(entity))]
    if witness.approvals:
        told.append(f"{words.listed(witness.approvals)} approved")
    if policies is not None:
        told.append(_outcome(witness, policies))
    return f"{'. '.join(told)}."


def _facts(entity: Mapping[str, Any]) -> str:
    """What an entity of the store has, and is in; nothing where that is nothing."""
    name = uid(entity["uid"])
    facts = [f"{attribute} = {value(held)}" for attribute, held in entity.get("attrs", {}).items()]
    facts += [f"the tag {tag} = {value(held)}" for tag, held in entity.get("tags", {}).items()]
    has = f"{name} has {', '.join(facts)}" if facts else ""
    parents = [uid(parent) for parent in entity.get("parents", ())]
    within = f"{name} is in {words.listed(parents)}" if parents else ""
    return ". ".join(filter(None, (has, within)))


def _outcome(witness: Witness, policies: PolicySet) -> str:
    matched, errored = matching(policies, asked_request(policies, witness), witness.entities)
    decision = decide(policies, matched, frozenset(witness.approvals))
    ends = {"allow": "It is allowed", "deny": "It is denied", "escalate": "People are asked"}
    rules = ", ".join(f"`{policies.policies[index].name}`" for index in decision.determining[:QUOTED_MAX])
    asked = f" ({words.listed(decision.chains)})" if decision.chains else ""
    skipped = [policies.policies[index].name for index in sorted(errored)]
    errs = f", while evaluating {words.listed(skipped)} errs" if skipped else ""
    by = f", by {rules}" if rules else ", for no permit matches" if decision.kind == "not permitted" else ""
    return f"{ends[decision.outcome]}{asked}{by}{errs}"


def _change(finding: Finding) -> str:
    if finding.verdict == "undecided":
        return "a greater `--effort`, where the budget was spent; else another way to write what the message names."
    roles = [clause.role for clause in finding.because]
    first = "true" if roles[:1] == ["false"] else roles[0] if roles else None
    if "errs" in roles:
        first = "errs"
    return _CHANGES[first] if first is not None else "see `Mend` above."


def _suggestion(console: Console, suggestion: Suggestion) -> None:
    indented(console, f"suggested: {suggestion.why}", 4)
    for edit in suggestion.edits[:QUOTED_MAX]:
        indented(console, f"{edit.file}:{edit.line}:{edit.column}", 6, style="dim")
        for sign, text in (("-", edit.remove), ("+", edit.insert)):
            for line in text.strip("\n").split("\n") if text else ():
                console.print(f"      {sign} {words.printable(line)}", markup=False, soft_wrap=True, highlight=False)
