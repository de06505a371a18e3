"""Ratios that hold still: the cases of one table are measured in turns, against a floor.

Machines have quick and slow spells, longer than a case and shorter than a run. So a round times
one slice of every case, in a new order each time, and a ratio is taken within the round.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 25


class Interleaved:
    """Cases that were measured together: ``seconds`` of one operation, by case, in each round."""

    def __init__(
        self,
        cases: Mapping[str, tuple[Callable[[], object], int]],
        floor: str,
        rounds: int = ROUNDS,
    ) -> None:
        """``cases``: a slice of work and how many operations are in it; ``floor`` is one of them."""
        self.cases, self.floor = dict(cases), floor
        self.seconds: dict[str, list[float]] = {name: [] for name in cases}
        order = random.Random(rounds)  # noqa: S311 - an order, no secret
        names = list(cases)
        for name in names:
            self._slice(name)
        self.slow = rounds < ROUNDS
        for _ in range(rounds):
            order.shuffle(names)
            for name in names:
                self.seconds[name].append(self._slice(name))

    def _slice(self, name: str) -> float:
        work, operations = self.cases[name]
        gc.collect()
        gc.disable()
        try:
            begin = time.perf_counter()
            work()
            return (time.perf_counter() - begin) / operations
        finally:
            gc.enable()

    def ratios(self, name: str) -> list[float]:
        """The case against the floor, in each round."""
        pairs = zip(self.seconds[name], self.seconds[self.floor], strict=True)
        return [seconds / floor for seconds, floor in pairs]

    def report(
        self,
        benchmark: BenchmarkFixture,
        name: str,
        *,
        bound: float | None = None,
        goal: float | None = None,
        behind: str = "",
        called: str = "",
    ) -> None:
        """Put the case into pytest-benchmark's data, with what must hold of its ratio.

        ``bound``: at most this; ``goal``: better still; ``behind``: the case that it must be slower
        than; ``called``: its name in the table. The absolute time is pytest-benchmark's own, of slices without turns.
        """
        work, operations = self.cases[name]
        ratios = self.ratios(name)
        benchmark.extra_info.update(
            case=called or name,
            floor=self.floor,
            ratio=statistics.median(ratios),
            quartiles=statistics.quantiles(ratios, n=4),
            operations=operations,
            bound=bound,
            goal=goal,
            least=statistics.median(self.ratios(behind)) if behind else None,
        )
        run: Any = benchmark.pedantic
        run(work, rounds=1 if self.slow else 3, iterations=1)
