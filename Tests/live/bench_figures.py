"""How a figure is printed beside its goal."""

import statistics

WIDTH = 58


def show(
    name: str,
    value: float,
    unit: str,
    goal: float | None = None,
    below: bool = False,
    at_least: float | None = None,
    spread: list[float] = (),
) -> None:
    """One line. `goal` is a bound from above, with `below` one that must not be reached either; `at_least` is one from
    below. `spread`: of what `value` is the median."""
    line = f"{name:<{WIDTH}}{value:>10.2f} {unit:<12}"
    if len(spread) > 1:
        line += f" ({min(spread):.{places(spread)}f} to {max(spread):.{places(spread)}f})"
    if goal is not None:
        good = value < goal if below else value <= goal
        line += f" goal {'<' if below else '<='} {goal:<8g} {'ok' if good else 'above'}"
    if at_least is not None:
        line += f" goal >= {at_least:<8g} {'ok' if value >= at_least else 'below'}"
    print(line.rstrip(), flush=True)


def show_median(name: str, values: list[float], unit: str, **goals: float) -> float:
    """The median with the spread; returns the median."""
    median = statistics.median(values)
    show(name, median, unit, spread=values, **goals)
    return median


def show_ratio(name: str, ratio: float, goal: float | None = None) -> None:
    """A goal is a bound from below."""
    verdict = "" if goal is None else f" goal >= {goal:<8g} {'ok' if ratio >= goal else 'below'}"
    print(f"{name:<{WIDTH}}{ratio:>10.3f} {verdict}".rstrip(), flush=True)


def show_words(name: str, words: str) -> None:
    """In the place of a figure, why there is none."""
    print(f"{name:<{WIDTH}}{words}", flush=True)


def places(values: list[float]) -> int:
    return 0 if max(values) >= 100 else 2
