"""What an executor is: it runs replications of jobs somewhere, in any order.

A job is packed once and unpacked once by each worker. Results depend on the job and the number of the replication
alone, so it does not matter where, in which order or how often a replication runs.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Protocol

from models.diagnostics import InputError

Work = Callable[[Any, Sequence[int]], Sequence[Any]]
"""A function of a module: a job and numbers of replications -> a result for each."""

JOBS_KEPT: Final = 64
"""Jobs that a worker keeps unpacked. An assumption: a job is some 100 kB."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Work and its job, for our own workers. Never read from a file."""

    key: str
    """The sha256 of `data`."""
    data: bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Poisoned:
    """A replication that cannot be run: it raised, or its worker died, whenever it was tried alone."""

    why: str
    internal: bool = False
    """Whether the work raised what it does not foresee."""


Asked = tuple[Packed, Sequence[int]]
Answered = tuple[Packed, int, Any]
"""A job, the number of a replication, and its result, which is `Poisoned` where there can be none."""


class Executor(Protocol):
    """Runs replications. Results come in any order, each once."""

    def run(self, asked: Iterable[Asked]) -> Generator[Answered, None, None]: ...


def pack(work: Work, job: Any) -> Packed:
    """Pack work with its job. `work` must be importable by name."""
    data = pickle.dumps((work, job), protocol=pickle.HIGHEST_PROTOCOL)
    return Packed(hashlib.sha256(data).hexdigest(), data)


def perform(packed: Packed, numbers: Sequence[int]) -> Sequence[Any]:
    """Run replications of a packed job in this process."""
    work, job = _unpacked(packed)
    return work(job, numbers)


@lru_cache(JOBS_KEPT)
def _unpacked(packed: Packed) -> tuple[Work, Any]:
    function, job = pickle.loads(packed.data)  # noqa: S301 - what this program packed itself
    return function, job


def attempt(packed: Packed, numbers: Sequence[int]) -> Sequence[Any]:
    """Run replications; one that raises is poisoned alone. Raises what is wrong with the input or the machine."""
    try:
        return perform(packed, numbers)
    except (InputError, OSError):
        raise
    except Exception as error:
        if len(numbers) == 1:
            return [Poisoned(f"{type(error).__name__}: {error}", internal=True)]
        return [result for number in numbers for result in attempt(packed, (number,))]


def portable(error: Exception) -> Exception:
    """An error that comes through to another process, by its own name and words."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was packed the line before
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
