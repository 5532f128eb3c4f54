"""A deadlock ring in plain lines, for the terminal and for readers who do not see the drawing."""

from __future__ import annotations

from reports import words
from reports.deadlock import DeadlockOutcome, Member


def ring_lines(deadlock: DeadlockOutcome) -> list[str]:
    """What is said about deadlocks, a few lines; none where there were none."""
    if not deadlock.found:
        return []
    lines = ["", headline(deadlock)]
    for ring in deadlock.rings[:1]:
        moment = words.duration(ring.time)
        lines.append(f"  for instance {moment} into replication {ring.replication}:")
        lines += [f"    {member_sentence(m)}" for m in ring.members]
    return lines


def headline(deadlock: DeadlockOutcome) -> str:
    """`3 deadlocks in 2 of 20 replications, of 1 kind`, with the time stuck and the cases lost."""
    found = f"{words.count(deadlock.found, 'deadlock')} in {deadlock.replications} of {deadlock.count.replications}"
    stuck = f"stuck for {words.estimate(deadlock.stuck, 'duration')} on average"
    lost = f"{words.number(deadlock.lost.estimate)} cases lost in a replication"
    return f"{found} replications, of {words.count(deadlock.kinds, 'kind')}; {stuck}; {lost}."


def member_sentence(member: Member) -> str:
    """Who waits for what, holding what."""
    holds = f"holds {words.listed(member.holds)} and " if member.holds else ""
    return f"case {member.case} at {member.step} {holds}waits for {member.waits}"
