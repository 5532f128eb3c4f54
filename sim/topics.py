"""Topics: messages at a broker, delivered to consumers at least once.

A message waits in its topic until a consumer is free, in order of publishing. A delivery goes through the consumers'
workflow as tokens of its own, beside the case that published the message. A message is done when one delivery of it is
acknowledged, or when it is a dead letter.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from sim.chance import key, word
from sim.clock import Rank
from sim.flow import root
from sim.logs import NONE, Kind
from sim.plan import OUTCOME_NAMES, Exit, Outcome, StepKind
from sim.plans.platform import WHEN_FULL, PublishPlan, TopicPlan
from sim.skew import Skew
from sim.tokens import Delivery, Origin, Token

if TYPE_CHECKING:
    from sim.engine import Replication

_BLOCK, _REJECT, _DROP = range(len(WHEN_FULL))
_DELIVERIES = 1 << 10
"""Draws set aside for the deliveries of one copy of a message; no more attempts are allowed."""
_VISITS = 24
"""Bits by which the number of a delivery's first visit is below 2^64: `visits times asks` stay below it too."""


def install_topics(replication: Replication) -> None:
    """Let steps publish to topics, and topics deliver, where there are any."""
    if replication.plan.platform.topics:
        Broker(replication)


class Message:
    """A message that a topic holds: the `number`-th from 1, `token` being the one that published it. Its epoch changes
    with every delivery, so that no bound of an earlier one counts."""

    __slots__ = (
        "arrived",
        "copy",
        "deliveries",
        "done",
        "epoch",
        "lost",
        "number",
        "origin",
        "publisher",
        "waits",
        "why",
    )

    def __init__(self, publisher: Token, arrived: int, copy: int, number: int) -> None:
        self.arrived = arrived
        """When its case did."""
        self.publisher = (publisher.case, publisher.work, publisher.entity, publisher.level)
        self.origin = Origin(publisher.case, publisher.step, publisher.visit)
        self.copy = copy
        """How many copies of it were put into the topic before."""
        self.number = number
        self.epoch = 0
        self.deliveries = 0
        self.done = False
        self.waits = False
        self.lost = False
        """Whether the last delivery got lost on its way, so that no consumer works on it."""
        self.why = ""
        """Why it came back to the topic."""


class Topic:
    """The messages of one topic. Invariants: `waiting` counts those that wait for delivery, and is above the capacity
    only by those that came back; `busy` deliveries are under way, and while a message waits, all consumers are busy."""

    def __init__(self, plan: TopicPlan) -> None:
        self.plan = plan
        self.place = f"topic:{plan.name}"
        self.servers = plan.concurrency
        self.busy = 0
        self.waiting = 0
        self.numbers = 0
        self.running: dict[Token, None] = {}
        """Deliveries under way that no link has lost."""
        self.publishers: dict[Token, int] = {}
        """Those who wait for room, in order of coming, and since when."""
        self._line: list[tuple[int, Message]] = []
        """By number, those first that wait longest; and some that wait no more."""

    def has_room(self) -> bool:
        return self.plan.capacity < 0 or self.waiting < self.plan.capacity or self.busy < self.servers

    def holders(self) -> tuple[Hashable, ...]:
        """Who gives room when done: the deliveries under way; and the topic itself, where one is lost and noticed."""
        return (*self.running, self) if self.busy > len(self.running) else tuple(self.running)

    def push(self, message: Message) -> None:
        message.waits = True
        self.waiting += 1
        heappush(self._line, (message.number, message))

    def pop(self) -> Message:
        """Take out the message that waits longest; there is one."""
        while True:
            message = heappop(self._line)[1]
            if message.waits:
                self.remove(message)
                return message

    def remove(self, message: Message) -> None:
        """The message waits no more; its place in the line is left as it is."""
        message.waits = False
        self.waiting -= 1


class Broker:
    """All topics of a replication, and the steps that publish to them."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication
        self._plan = plan = replication.plan
        self._names = plan.names
        self._locks = replication.locks
        self._clock = replication.clock
        self._log = replication.log
        self._flow = flow = replication.flow
        self._network = network = replication.network
        self.topics = [Topic(topic) for topic in plan.platform.topics]
        replication.sampled.extend(self.topics)
        self._outside: dict[Token, int] = {}
        """Publishers that a partition keeps from their topic, and since when."""
        self._sent: dict[Token, int] = {}
        """How many copies of what a token is publishing are in the topic."""
        self._running: dict[Token, tuple[Topic, Message, int]] = {}
        """Deliveries under way: the message, and the how-manieth of it each is."""
        self._skews = [Skew(replication, topic.place) for topic in self.topics]
        for skew in plan.platform.skews:
            if skew.topic >= 0:
                self._skews[skew.topic].add(skew)
        flow.begins(StepKind.PUBLISH, lambda _: self._publish)
        flow.cancel.append(self._cancel)
        # First of all: what ends a delivery ends no case, and concerns none of the others.
        flow.ending.insert(0, self._consumed)
        network.healed.append(self._healed)

    # --- publishing ---------------------------------------------------------------------------------------------------

    def _publish(self, token: Token, now: int) -> None:
        if token.plan.timeout >= 0:
            self._clock.at(now + token.plan.timeout, Rank.TIMEOUT, self._timed_out, token)
        self._sent[token] = 0
        self._send(token, now)

    def _send(self, token: Token, now: int) -> None:
        """Send the message, once more where no answer to it came."""
        step, topic = self._step(token), self._topic(token)
        if not self._network.reaches(step.site, topic.plan.site):
            self._outside[token] = now
            self._event(Kind.BACK_PRESSURE, topic, token.case, now, len(self._outside), "partition")
            return
        leg = self._network.links.leg(step.site, topic.plan.site, self._way(token), token.entity, self._index(token))
        if leg.lost_after >= 0:
            self._send_again(token, leg.lost_after, now)
        else:
            self._after(leg.time, partial(self._arrive, leg.twice), token, now)

    def _send_again(self, token: Token, after: int, now: int) -> None:
        token.attempt += 1
        self._clock.at(now + after, Rank.RESUME, self._send, token)

    def _arrive(self, twice: bool, token: Token, now: int) -> None:
        """The message is at its topic. A second one beside it is only taken where there is room for it too."""
        topic = self._topic(token)
        if twice:
            link = self._network.links.place(self._step(token).site, topic.plan.site)
            self._log.event(now, Kind.DUPLICATED, link, token.case, detail=topic.place)
        if topic.has_room():
            self._put(topic, token, now)
            if twice and topic.has_room():
                self._put(topic, token, now)
            self._taken(topic, token, now)
        elif topic.plan.when_full == _BLOCK:
            topic.publishers[token] = now
            self._locks.publishers[token] = topic
            self._event(Kind.BACK_PRESSURE, topic, token.case, now, len(topic.publishers), "full")
            self._locks.detect(token, topic.place, now)
        elif topic.plan.when_full == _REJECT:
            self._event(Kind.REJECTED, topic, token.case, now)
            self._confirm(token, Exit.FAILURE, now)
        else:
            # Those that came back may be more than there is room for.
            while not topic.has_room():
                self._bury(topic, topic.pop(), "full", now)
            self._put(topic, token, now)
            self._taken(topic, token, now)

    def _taken(self, topic: Topic, token: Token, now: int) -> None:
        self._confirm(token, Exit.NEXT, now)
        self._serve(topic, now)

    def _put(self, topic: Topic, token: Token, now: int) -> None:
        topic.numbers += 1
        message = Message(token, self._arrived(token), self._sent[token], topic.numbers)
        self._sent[token] += 1
        self._event(Kind.PUBLISHED, topic, token.case, now, message.number, "again" if message.copy else "")
        topic.push(message)

    def _arrived(self, token: Token) -> int:
        """When the case of a publisher arrived."""
        if isinstance(token, Delivery):
            return token.arrived
        return int(self._replication.workload.arrived[token.case])

    def _confirm(self, token: Token, exit: int, now: int) -> None:
        """Tell the publisher; where that gets lost it sends the message again."""
        step, topic = self._step(token), self._topic(token)
        if not self._network.reaches(topic.plan.site, step.site):
            self._outside[token] = now
            self._event(Kind.BACK_PRESSURE, topic, token.case, now, len(self._outside), "partition")
            return
        leg = self._network.links.leg(
            topic.plan.site, step.site, self._way(token), token.entity, self._index(token) + 1
        )
        if leg.lost_after >= 0:
            self._send_again(token, leg.lost_after, now)
        else:
            self._after(leg.time, partial(self._leave, exit), token, now)

    def _leave(self, exit: int, token: Token, now: int) -> None:
        self._sent.pop(token, None)
        self._flow.leave(token, exit, now)

    def _timed_out(self, token: Token, now: int) -> None:
        token.epoch += 1
        self._forget(token, now)
        self._leave(Exit.FAILURE, token, now)

    def _cancel(self, token: Token, now: int) -> None:
        """The token's case ends elsewhere: what it has not yet put into a topic stays out."""
        if token in self._sent:
            self._forget(token, now)
            del self._sent[token]

    def _forget(self, token: Token, now: int) -> None:
        topic = self._topic(token)
        since = topic.publishers.pop(token, None)
        if self._locks.publishers.pop(token, None) is not None:
            self._locks.dissolve(token, now, "a member gave up")
        outside = self._outside.pop(token, None)
        began = since if since is not None else outside
        if began is not None:
            self._event(Kind.ABANDONED, topic, token.case, now, now - began)

    def _healed(self, now: int) -> None:
        """A partition is over: who was kept from a topic sends now, in order of coming."""
        for token in list(self._outside):
            if token in self._outside and self._network.connected(self._step(token).site, self._topic(token).plan.site):
                del self._outside[token]
                token.attempt += 1
                self._send(token, now)

    def _step(self, token: Token) -> PublishPlan:
        step = self._plan.platform.publishes[token.step]
        assert step is not None
        return step

    def _topic(self, token: Token) -> Topic:
        return self.topics[self._step(token).topic]

    def _way(self, token: Token) -> str:
        return f"publish/{self._plan.names.works[token.work]}/{self._plan.names.steps[token.step]}"

    def _index(self, token: Token) -> int:
        return 2 * (token.visit * _DELIVERIES + token.attempt)

    # --- delivery -----------------------------------------------------------------------------------------------------

    def _serve(self, topic: Topic, now: int) -> None:
        """Deliver as long as messages wait and consumers are free; then take in what waits for room."""
        while True:
            while topic.waiting and topic.busy < topic.servers:
                self._deliver(topic, topic.pop(), now)
            if not topic.publishers or not topic.has_room():
                return
            token = next(iter(topic.publishers))
            del topic.publishers[token], self._locks.publishers[token]
            self._locks.dissolve(token, now, "a member got room")
            self._put(topic, token, now)
            self._confirm(token, Exit.NEXT, now)

    def _deliver(self, topic: Topic, message: Message, now: int) -> None:
        topic.busy += 1
        message.epoch += 1
        message.deliveries += 1
        plan = topic.plan
        leg = self._network.links.leg(plan.site, plan.consumers_site, *self._trip(topic, message, 0))
        cut = not self._network.reaches(plan.site, plan.consumers_site)
        message.lost = cut or leg.lost_after >= 0
        kind = Kind.DELIVERED if message.deliveries == 1 else Kind.REDELIVERED
        case = message.publisher[0]
        why = "partition" if cut else "lost" if message.lost else message.why
        self._event(kind, topic, case, now, message.number, why)
        if plan.acknowledge_within >= 0:
            self._clock.at(now + plan.acknowledge_within, Rank.TIMEOUT, partial(self._late, topic), message)
        if not message.lost:
            delivery = Delivery(*message.publisher, message.origin, self._first(message), message.arrived)
            self._running[delivery] = (topic, message, message.deliveries)
            topic.running[delivery] = None
            self._locks.consumers[delivery] = topic.place
            self._after(leg.time, self._begin, delivery, now)

    def _begin(self, delivery: Delivery, now: int) -> None:
        topic, message, _ = self._running[delivery]
        if self._skews[self.topics.index(topic)].strikes(*self._key_of(message)):
            # As a move: what is set off by it, such as the next delivery, waits its turn.
            self._flow.move(self._reject, delivery, 0, now)
            return
        self._flow.enter(delivery, topic.plan.start, now)

    def _key_of(self, message: Message) -> tuple[str, int, int]:
        """The key among the draws of a message, its copies and all their deliveries alike."""
        _, work, entity, _ = message.publisher
        step = word(self._names.steps[message.origin.step])
        return self._names.works[work], entity, key(step, message.origin.visit) >> _VISITS

    def _reject(self, delivery: Token, _: int, now: int) -> None:
        self._over(delivery, "contract", now)

    def _first(self, message: Message) -> int:
        """The number of a delivery's first visit, for its draws: none that another delivery has, for all it is worth,
        and the same whatever other cases do."""
        step = word(self._names.steps[message.origin.step])
        return key(step, message.origin.visit, message.copy * _DELIVERIES + message.deliveries) >> _VISITS

    def _trip(self, topic: Topic, message: Message, leg: int) -> tuple[str, int, int]:
        """Under which draws a delivery goes to the consumers (leg 0), and its acknowledgement back (1)."""
        _, work, entity, _ = message.publisher
        place = f"deliver/{self._plan.names.works[work]}/{topic.plan.name}"
        return place, entity, 2 * self._first(message) + leg

    def _consumed(self, token: Token, outcome: int, now: int) -> bool:
        """A delivery has come to an end, by one of its tokens; True where it is one."""
        if not isinstance(token, Delivery):
            return False
        self._over(token, "" if outcome == Outcome.COMPLETED else OUTCOME_NAMES[outcome], now)
        return True

    def _over(self, token: Token, failure: str, now: int) -> None:
        """A delivery is over, by this token of it; `failure` tells why in vain."""
        delivery = root(token)
        topic, message, number = self._running.pop(delivery)
        del topic.running[delivery], self._locks.consumers[delivery]
        plan = topic.plan
        self._flow.dismiss(token, now)
        for consumed in self._flow.consumed:
            consumed(delivery, now)
        topic.busy -= 1
        leg = self._network.links.leg(plan.consumers_site, plan.site, *self._trip(topic, message, 1))
        if leg.lost_after < 0 and self._network.reaches(plan.consumers_site, plan.site):
            self._after(leg.time, partial(self._answered, topic, message, number, failure), delivery, now)
        self._serve(topic, now)

    def _answered(self, topic: Topic, message: Message, number: int, failure: str, _: Token, now: int) -> None:
        """The topic hears how a delivery ended."""
        if message.done:
            return
        if not failure:
            message.done = True
            message.epoch += 1
            if message.waits:
                topic.remove(message)
            self._found(topic, message)
            self._event(Kind.ACKNOWLEDGED, topic, message.publisher[0], now, message.number)
        elif number == message.deliveries and not message.waits:
            self._come_back(topic, message, failure, now)
        self._serve(topic, now)

    def _late(self, topic: Topic, message: Message, now: int) -> None:
        """No acknowledgement of the last delivery came in time."""
        self._found(topic, message)
        self._come_back(topic, message, "not acknowledged", now)
        self._serve(topic, now)

    def _found(self, topic: Topic, message: Message) -> None:
        """A consumer was kept for a delivery that got lost; it is free."""
        if message.lost:
            message.lost = False
            topic.busy -= 1

    def _come_back(self, topic: Topic, message: Message, why: str, now: int) -> None:
        message.epoch += 1
        message.why = why
        if message.deliveries < topic.plan.attempts:
            topic.push(message)
        else:
            self._bury(topic, message, why, now)

    def _bury(self, topic: Topic, message: Message, why: str, now: int) -> None:
        """The message is a dead letter."""
        message.done = True
        message.epoch += 1
        self._event(Kind.DEAD_LETTER, topic, message.publisher[0], now, message.number, why)

    # --- both ---------------------------------------------------------------------------------------------------------

    def _after(self, time: int, handler: Callable[[Any, int], None], token: Token, now: int) -> None:
        if time:
            self._clock.at(now + time, Rank.FINISH, handler, token)
        else:
            handler(token, now)

    def _event(self, kind: Kind, topic: Topic, case: int, now: int, value: int = NONE, detail: str = "") -> None:
        self._log.event(now, kind, topic.place, case, value, detail)
