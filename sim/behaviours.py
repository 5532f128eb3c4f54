"""Behaviours: attempts that run a program of the user's own, a generator as SimPy's processes are.

    from windtunnel import behaviour

    @behaviour("careful")
    def agent(env, attempt):
        yield env.timeout(attempt.service())  # the capability's own service time
        yield attempt.calls()                 # its endpoint calls; a failed one raises EndpointFailed here
        if attempt.uniform(0) < 0.5:
            yield env.timeout("5s")
        return attempt.attributes["size"] < 50  # right or wrong; no value: as the capability's `success` says

It runs from when the attempt has its slot, and holds the slot until it returns. A text that it returns is why the
attempt has failed. What ends the attempt from outside (a time-out, a crash, the end of the case) closes the generator.
It should keep nothing between attempts: the file is run anew for each replication, so that a run does not depend on
which process runs which.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import simpy

from models.behaviours import MARK, Behaviour
from models.diagnostics import Diagnostic, InputError, input_error, quoted, suggestion
from models.units import parse_duration
from sim.chance import Purpose
from sim.clock import Rank
from sim.plan import FOREVER
from sim.values import ByNumber

if TYPE_CHECKING:
    from models.load import LoadedScenario
    from sim.engine import Replication
    from sim.tokens import Token

UNIFORMS: Final = 64
"""Uniform numbers that one attempt may draw."""
_MODULE: Final = "windtunnel_behaviours"


class BehaviourError(Exception):
    """A behaviour does what none may, or has raised an error of its own."""


class EndpointFailed(Exception):  # noqa: N818 - it is no fault of the program
    """The endpoint calls of the attempt have failed; `reason` tells why. One that nobody catches fails the attempt."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --- the user's file --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BehaviourFile:
    """A Python file of behaviours, as it was when the run began."""

    path: Path
    digest: str
    source: bytes = field(repr=False, compare=False)
    """What the file held then: a worker may be on a machine that has no such file."""

    def functions(self) -> Mapping[str, Behaviour]:
        """Run the file and give what it registers, by name. Raises InputError."""
        module = ModuleType(_MODULE)
        module.__file__ = str(self.path)
        sys.modules[_MODULE] = module
        try:
            exec(compile(self.source, str(self.path), "exec"), module.__dict__)  # noqa: S102 - the user's own, by command line
        except Exception as error:
            raise input_error(f"the file of behaviours fails: {_told(error)}", str(self.path)) from error
        return {getattr(f, MARK): f for f in vars(module).values() if inspect.isfunction(f) and hasattr(f, MARK)}


def with_behaviours(loaded: LoadedScenario, given: str | Path | None) -> tuple[LoadedScenario, BehaviourFile | None]:
    """The scenario with the sha256 of the file in its digest and among its inputs. Raises InputError where the scenario
    names behaviours that the file has not, or names none."""
    wanted = {
        what.behaviour: (name, capability)
        for name, pool in loaded.scenario.agents.items()
        for capability, what in pool.capabilities.items()
        if what.behaviour is not None
    }
    if given is None:
        if wanted:
            help = "name the Python file that registers it: `--behaviours FILE`"
            raise InputError(
                *(_fault(loaded, at, f"behaviour {quoted(name)} is not given", help) for name, at in wanted.items())
            )
        return loaded, None
    path = _file(given)
    try:
        source = path.read_bytes()
    except OSError as error:
        raise input_error(f"cannot read the file of behaviours: {error.strerror}", str(path)) from None
    file = BehaviourFile(path, hashlib.sha256(source).hexdigest(), source)
    if not wanted:
        raise input_error("the scenario names no behaviour", str(file.path), "drop `--behaviours`")
    known = file.functions()
    faults = [
        _fault(loaded, at, f"no behaviour {quoted(name)} in {file.path.name}", suggestion(name, known, "behaviours"))
        for name, at in wanted.items()
        if name not in known
    ]
    if faults:
        raise InputError(*faults)
    digest = hashlib.sha256(f"{loaded.digest} behaviours {file.digest}".encode()).hexdigest()
    return replace(loaded, digest=digest, inputs={**loaded.inputs, file.path.name: file.digest}), file


def _file(given: str | Path) -> Path:
    """The file, or that of a module of this name."""
    path = Path(given)
    if path.suffix == ".py" or path.exists():
        return path.resolve()
    from importlib.util import find_spec

    try:
        spec = find_spec(str(given))
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise input_error(f"no file and no module {quoted(str(given))}", "--behaviours")
    return Path(spec.origin)


def _fault(loaded: LoadedScenario, at: tuple[str, str], message: str, help: str) -> Diagnostic:
    span = loaded.locate("agents", at[0], "capabilities", at[1], "behaviour")
    return Diagnostic(message, str(loaded.path), line=span.line, column=span.column, help=help)


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# --- what a behaviour sees --------------------------------------------------------------------------------------------


class _Sleep(NamedTuple):
    length: int


class _Calls(NamedTuple):
    """The endpoint calls of the attempt."""


class Env:
    """The environment of a behaviour: the clock, and time-outs. `simpy` is SimPy's own, for its other events."""

    def __init__(self, clock: simpy.Environment) -> None:
        self.simpy = clock

    @property
    def now(self) -> int:
        """Microseconds since the start of the run."""
        return int(self.simpy.now)

    def timeout(self, length: int | str) -> _Sleep:
        """To be yielded: go on after so many microseconds, or a text such as `5s`."""
        micros = parse_duration(length) if isinstance(length, str) else length
        if not isinstance(micros, int) or not 0 <= micros < FOREVER:
            raise ValueError(f"expected whole microseconds or a text such as `5s`, got {length!r}")
        return _Sleep(micros)


class Attempt:
    """One attempt, as a behaviour sees it."""

    def __init__(self, behaviours: _Behaviours, token: Token, busy: int) -> None:
        self._behaviours = behaviours
        self._token = token
        self._busy = busy
        self.case: int = token.case
        self.number: int = token.attempt + 1
        """From 1 on, for each visit to the step."""

    @property
    def attributes(self) -> Mapping[str, bool | int | str]:
        """Of the case."""
        return self._behaviours.attributes(self._token)

    def uniform(self, number: int) -> float:
        """A number in (0, 1), the same whenever this attempt asks for this number; from 0 to 63."""
        if not 0 <= number < UNIFORMS:
            raise ValueError(f"an attempt has uniform numbers from 0 to {UNIFORMS - 1}, not {number}")
        return self._behaviours.uniform(self._token, number)

    def service(self) -> int:
        """The time that the capability's own service law draws for this attempt, in microseconds; longer where the
        agents are slow."""
        return self._busy

    def calls(self) -> _Calls:
        """To be yielded, once: the capability's endpoint calls, one after the other."""
        return _Calls()


# --- in the engine ----------------------------------------------------------------------------------------------------


def install_behaviours(replication: Replication) -> None:
    """Let attempts run their behaviours, where capabilities name them."""
    if replication.plan.flows.behaviours:
        _Behaviours(replication)


class _Behaviours:
    """The programs of one replication. Invariant: `_running` holds the attempts in service that have one."""

    def __init__(self, replication: Replication) -> None:
        self._plan = plan = replication.plan
        self._replication = replication
        self._clock = replication.clock
        self._tasks = tasks = replication.tasks
        self._env = Env(replication.clock)
        self._functions = {n: (name, replication.behaviours[name]) for n, name in plan.flows.behaviours}
        self._running: dict[Token, Generator[Any, Any, Any]] = {}
        self._calling: dict[Token, bool] = {}
        """Of attempts that have made their calls, whether these are under way."""
        self._right: dict[Token, bool] = {}
        self._called = replication.endpoints.done
        replication.endpoints.done = self._answered
        for step, step_plan in enumerate(plan.steps):
            if step_plan.capability in self._functions:
                tasks.watch(step)
        tasks.starts |= dict.fromkeys(self._functions, self._begin)
        tasks.closed.append(self._closed)
        tasks.verdicts.insert(0, self._verdict)

    def attributes(self, token: Token) -> Mapping[str, bool | int | str]:
        names = self._plan.names.attributes[token.work]
        columns: Sequence[ByNumber] = self._replication.workload.attributes[token.work]
        values = {name: column[token.entity] for name, column in zip(names, columns, strict=True)}
        return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}

    def uniform(self, token: Token, number: int) -> float:
        stream = self._replication.draws.uniforms(Purpose.BEHAVIOUR, token.law.name, width=0)
        return stream.at(token.entity, token.index * UNIFORMS + number)

    def _begin(self, token: Token, now: int) -> None:
        """A slot is free."""
        busy = self._tasks.take_up(token, now)
        _, function = self._functions[token.law.number]
        running = function(self._env, Attempt(self, token, busy))
        if not inspect.isgenerator(running):
            raise self._error(token, "is no generator: it yields nothing")
        self._running[token] = running
        self._go_on(token, "", now)

    def _go_on(self, token: Token, failure: str, now: int) -> None:
        """Run the program until it waits for something."""
        running = self._running[token]
        waits = False
        while not waits:
            try:
                wanted = running.throw(EndpointFailed(failure)) if failure else running.send(None)
            except StopIteration as stop:
                self._over(token, stop.value, now)
                return
            except EndpointFailed as failed:
                self._over(token, failed.reason, now)
                return
            except Exception as error:
                raise self._error(token, f"fails: {_told(error)}") from error
            failure = ""
            waits = self._wait(token, wanted, now)

    def _wait(self, token: Token, wanted: object, now: int) -> bool:
        """Wait for what the program wants; False where that is there already."""
        if isinstance(wanted, _Sleep):
            self._clock.at(now + wanted.length, Rank.FINISH, self._woken, token)
        elif isinstance(wanted, _Calls):
            if token in self._calling:
                raise self._error(token, "makes its calls twice in one attempt")
            self._calling[token] = bool(token.law.calls)
            if not token.law.calls:
                return False
            self._tasks.call(token, now)
        elif isinstance(wanted, simpy.Event):
            if wanted.callbacks is None:
                return False
            epoch = token.epoch
            wanted.callbacks.append(lambda _: self._woken(token, self._env.now) if token.epoch == epoch else None)
        else:
            raise self._error(token, f"yields {type(wanted).__name__}; expected env.timeout(...) or attempt.calls()")
        return True

    def _woken(self, token: Token, now: int) -> None:
        self._go_on(token, "", now)

    def _answered(self, token: Token, failure: str, now: int) -> None:
        """Calls are over; where they are a behaviour's, it goes on."""
        if self._calling.get(token):
            self._calling[token] = False
            self._go_on(token, failure, now)
        else:
            self._called(token, failure, now)

    def _over(self, token: Token, result: object, now: int) -> None:
        del self._running[token]
        self._calling.pop(token, None)
        if isinstance(result, bool):
            self._right[token] = result
        elif result is not None and not isinstance(result, str):
            raise self._error(token, f"returns {type(result).__name__}; expected True, False, a reason or nothing")
        self._tasks.called(token, result if isinstance(result, str) else "", now)

    def _verdict(self, token: Token, wrong: bool, _: int) -> tuple[bool, str]:
        right = self._right.pop(token, None)
        return wrong if right is None else not right, ""

    def _closed(self, token: Token, _: str, __: int) -> None:
        running = self._running.pop(token, None)
        self._calling.pop(token, None)
        self._right.pop(token, None)
        if running is not None:
            try:
                running.close()
            except Exception as error:
                raise self._error(token, f"fails as it is closed: {_told(error)}") from error

    def _error(self, token: Token, what: str) -> BehaviourError:
        return BehaviourError(f"behaviour {quoted(self._functions[token.law.number][0])} {what}")
