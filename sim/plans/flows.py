"""Workflows and waiting: counted resources, calls, messages, compensation."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowsPlan:
    """What a scenario says of it, empty by default."""

    units: tuple[int, ...] = ()
    """Of each lock, how many tokens may hold it at a time."""
    keyed: tuple[tuple[int, bool], ...] = ()
    """Steps whose effects are counted, and whether an idempotency key tells a repeated one."""
    messages: tuple[tuple[int, str, str], ...] = ()
    """Steps that send or receive: the message's name, and the attribute that is its key; empty for none."""
    behaviours: tuple[tuple[int, str], ...] = ()
    """Capabilities whose attempts run a program of the user's own, and its name."""
