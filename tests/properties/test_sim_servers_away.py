"""Servers that faults take away, and servers that hang with a job: nobody starts without a working server, and nobody
waits beside one."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from sim.logs import Log
from sim.plan import StationPlan
from sim.stations import Job, Station

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["join", "join", "join", "leave", "withdraw", "away", "back", "hang", "thaw", "staff"]),
        st.integers(0, 9),
    ),
    min_size=30,
    max_size=60,
)


@given(st.integers(1, 4), MOVES)
def test_who_works_fits_the_servers_that_are_there(servers: int, moves: list[tuple[str, int]]) -> None:
    station = Station(StationPlan(servers, 100, False, 0), "agent:a", Log(), array("q", bytes(8 * 100)), 1, quiet=False)
    serving = station.follow()
    away, jobs = 0, []

    def working() -> int:
        return sum(not hangs for hangs in serving.values())

    def begin(job: Job, _: int) -> None:
        assert working() <= max(servers - away, 0), "started without a server"
        assert job in serving

    for now, (move, number) in enumerate(moves):
        hanging = [job for job, hangs in serving.items() if hangs]
        if move == "join":
            job = Job(len(jobs), 0)
            job.begin = begin
            jobs.append(job)
            assert station.join(job, now)
        elif move == "leave" and serving:
            station.leave(list(serving)[number % len(serving)], now)
        elif move == "withdraw" and jobs and jobs[number % len(jobs)].station:
            station.withdraw(jobs[number % len(jobs)], now)
        elif move == "away":
            away += number % 3
            station.take_away(number % 3, now)
        elif move == "back" and away:
            away -= 1
            station.take_away(-1, now)
        elif move == "hang" and len(hanging) < len(serving):
            station.hang(next(job for job, hangs in serving.items() if not hangs), True, now)
        elif move == "thaw" and hanging:
            station.hang(hanging[number % len(hanging)], False, now)
        elif move == "staff":
            servers = number % 5
            station.staff(servers, now)
        assert station.busy == len(serving)
        assert not (station.waiting and working() < max(servers - away, 0)), "waits beside a free server"
