"""How many messages go from board to board under load, beside the build before and beside mosquitto's own clients.

bulk    from one to one: rate, processor time, private-key operations, memory at work and after it
fans    from many to one and from one to many, with each one's share
absent  to one that takes its messages, while another takes none
"""

import pathlib
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import bench_processes as processes
from bench_figures import show, show_median, show_ratio, show_words
from bench_load import Carried, Load, make_known, received, takes_lists, wait_until_delivered
from bench_peers import MosquittoClients, show_beside
from harness import Daemon, Mosquitto

LIMITS = "[limits]\n" + "\n".join(
    ["outbox_messages = 1000000", "outbox_size = 1GiB", "inbox_messages = 1000000", "inbox_size = 1GiB"]
)


LONGEST = 12.0  # seconds that a run may take: a build that is slow, or a machine that is busy, gets less to do


def fitting(count: int, rate: float) -> int:
    """How many of `count` messages there is time for."""
    return max(min(count, int(rate * LONGEST)), 10)


class Build:
    """Two boards of one build that know each other, and what was measured of them."""

    def __init__(self, bench, name: str, broker: Mosquitto, programs: pathlib.Path | None = None):
        self.name = name
        self.left, self.right = (
            bench.settled_board(f"{name}-{side}", broker.url, sections=LIMITS, programs=programs)
            for side in ("left", "right")
        )
        make_known(self.left, self.right)
        self.takes_lists = takes_lists(self.left)
        # Once, so that everything is warm.
        rehearsal = self.carry(bench.amounts.rehearsed, self.takes_lists)
        self.count = fitting(bench.amounts.bulk, rehearsal.rate)
        self.lists: list[Carried] = []
        self.singles: list[Carried] = []

    def carry(self, count: int, by_lists: bool) -> Carried:
        return Carried(self.left, self.right, Load([self.right.did], count, by_lists))

    def stop(self) -> None:
        self.left.stop()
        self.right.stop()

    @property
    def best(self) -> list[Carried]:
        """As its programs should hand in many."""
        return self.lists or self.singles


def bulk(bench) -> None:
    amounts = bench.amounts
    memory = pathlib.Path("/dev/shm")
    if memory.is_dir() and not amounts.is_short:
        with bench.elsewhere(memory) as there:
            bulk_on(there, "in memory", rounds=1)
    bulk_on(bench, "on disk", rounds=amounts.rounds, has_memory=True)


def bulk_on(bench, title: str, rounds: int, has_memory: bool = False) -> None:
    print(f"-- {title}: texts of 200 bytes, durable, to the verified receipt of each; medians of {rounds}")
    broker = bench.broker(f"bulk-{title.replace(' ', '-')}")
    now = Build(bench, "now", broker)
    base = Build(bench, "base", broker, bench.base) if bench.base else None
    clients = MosquittoClients(broker)
    theirs = []
    for _ in range(rounds):
        # In turns: what disturbs the machine disturbs both.
        if base:
            base.singles.append(base.carry(base.count, by_lists=False))
        now.singles.append(now.carry(max(now.count // 2, 10), by_lists=False))
        if now.takes_lists:
            now.lists.append(now.carry(now.count, by_lists=True))
        theirs.append(clients.pipelined(200, bench.amounts.bulk))
    clients.close()
    show_rates(now, base, theirs)
    show_costs(now, base)
    if has_memory:
        show_memory(bench, now, base)
    now.stop()
    if base:
        base.stop()
    broker.stop()


def show_rates(now: Build, base: Build | None, theirs: list[float]) -> None:
    if now.lists:
        show_median(f"{now.count} by lists of 1000", [run.rate for run in now.lists], "messages/s", at_least=10_000)
        show_median("    accepted", [run.accepted_rate for run in now.lists], "messages/s")
    else:
        show_words("by lists of 1000", "this build takes no lists")
    show_median("singly, 64 under way", [run.rate for run in now.singles], "messages/s")
    ours = statistics.median(run.rate for run in now.best)
    if base:
        before = show_median(f"the build before, {base.count} singly, 64 under way", [run.rate for run in base.best], "messages/s")
        show_ratio("    now / before", ours / before, 15)
    show_beside(ours, theirs, goal=0.35, lxmf=6)


def show_costs(now: Build, base: Build | None) -> None:
    for number, side, goal in ((0, "sender", None), (1, "receiver", 0.10)):
        show_median(f"CPU of the {side}, under load", [run.cpu[number] for run in now.best], "ms/message", goal=goal)
        if base:
            show_median("    the build before", [run.cpu[number] for run in base.best], "ms/message")
    for number, side, goal in ((0, "sender", None), (1, "receiver", 0)):
        name = f"private-key operations of the {side}, under load"
        show_counted(name, [run.private[number] for run in now.best], goal)
        if base:
            show_counted("    the build before", [run.private[number] for run in base.best])


def show_counted(name: str, values: list[float | None], goal: float | None = None) -> None:
    if None in values:
        show_words(name, "not counted by this build")
    else:
        # The median: once in a thousand messages or in a day there is a new key.
        show(name, statistics.median(values), "/message", goal, spread=values)


def show_memory(bench, now: Build, base: Build | None) -> None:
    time.sleep(bench.amounts.idle)
    for build, title in ((now, ""), (base, ", the build before")):
        if not build:
            continue
        goals = (6, 3) if build is now else (None, None)
        for number, (side, board) in enumerate((("sender", build.left), ("receiver", build.right))):
            runs = build.singles + build.lists
            (highest, last), idle = goals, f"    after {bench.amounts.idle:g} s without work"
            show(f"{side}{title}: private dirty at full load", max(run.highest[number] for run in runs), "MiB", highest)
            show("    right after the last load", build.best[-1].after[number], "MiB")
            show(idle, processes.dirty(board.process.pid), "MiB", last)


# From many to one, and from one to many


def fans(bench) -> None:
    width = bench.amounts.fan
    print(f"-- {width} senders to one receiver and one sender to {width}, on disk")
    rates = fans_of(bench, "now", None)
    if bench.base:
        before = fans_of(bench, "base", bench.base)
        for name, now, past in zip(("one to one", f"{width} to one", f"one to {width}"), rates, before):
            show_ratio(f"{name}: now / the build before", now / past)


def fans_of(bench, name: str, programs: pathlib.Path | None) -> list[float]:
    """The rates of one to one, many to one and one to many."""
    title = "" if programs is None else "the build before: "
    goal = 0.8 if programs is None else None
    width = bench.amounts.fan
    broker = bench.broker(f"fans-{name}")
    with ThreadPoolExecutor(width + 1) as clients:
        names = [f"{name}-hub", *(f"{name}-{number}" for number in range(width))]
        boards = [bench.board(board, broker.url, sections=LIMITS, programs=programs) for board in names]
        list(clients.map(Daemon.start, boards))
        hub, *spokes = boards
        for spoke in spokes:
            hub.call("contact.add", did=spoke.did)
        for number in range(0, width, 8):  # a daemon has no room for twenty clients of one user
            list(clients.map(lambda spoke: make_known(spoke, hub), spokes[number : number + 8]))
        by_lists = takes_lists(hub)
        rehearsal = Carried(hub, spokes[0], Load([spokes[0].did], bench.amounts.rehearsed, by_lists))
        each = max(fitting(bench.amounts.bulk, rehearsal.rate) // width, 3)
        count = width * each

        one = Carried(hub, spokes[0], Load([spokes[0].did], count, by_lists)).rate
        show(f"{title}one to one", one, "messages/s")

        had = received(hub)
        loads = [Load([hub.did], each, by_lists) for _ in spokes]
        begun = time.monotonic()
        list(clients.map(Load.carry_from, loads, spokes))
        many = count / (time.monotonic() - begun)
        show(f"{title}{width} to one, {count} messages", many, "messages/s")
        show_ratio("    beside one to one", many / one, goal)
        came = sorted(hub.inbox(), key=lambda row: row["seq"])[had:]
        show_share([row["sender"] for row in came], count, [spoke.did for spoke in spokes])

        last = {spoke: max((row["seq"] for row in spoke.inbox()), default=0) for spoke in spokes}
        load = Load([spoke.did for spoke in spokes], count, by_lists)
        begun = time.monotonic()
        load.carry_from(hub)
        out = count / (time.monotonic() - begun)
        show(f"{title}one to {width}, {count} messages", out, "messages/s")
        show_ratio("    beside one to one", out / one, goal)
        came = [row for spoke in spokes for row in spoke.inbox() if row["seq"] > last[spoke]]
        came.sort(key=lambda row: row["received"])
        show_share([row["receiver"] for row in came], count, [spoke.did for spoke in spokes])
        list(clients.map(Daemon.stop, boards))
    broker.stop()
    return [one, many, out]


def show_share(peers: list[str], count: int, all_peers: list[str]) -> None:
    """`peers`: whose message each was, in the order of arrival. When half of all have come, each should have had as much
    as the others."""
    if len(peers) != count:
        raise RuntimeError(f"{count} messages have a receipt, {len(peers)} are in the inboxes")
    half = peers[: count // 2]
    smallest = min(half.count(peer) for peer in all_peers)
    show_ratio("    smallest share at half time / fair share", smallest * len(all_peers) / len(half), 0.5)


# A peer that takes nothing


def absent(bench) -> None:
    amounts = bench.amounts
    print(f"-- to B, while {amounts.absent} messages wait for C, which is away; on disk, medians of {amounts.rounds}")
    absent_of(bench, "now", None, amounts.absent)
    if bench.base:
        absent_of(bench, "base", bench.base, amounts.absent)


def absent_of(bench, name: str, programs: pathlib.Path | None, waiting: int) -> None:
    title = "" if programs is None else "the build before: "
    broker = bench.broker(f"absent-{name}")
    sender, taker, away = (
        bench.settled_board(f"{name}-{side}", broker.url, sections=LIMITS, programs=programs) for side in "abc"
    )
    make_known(sender, taker)
    make_known(sender, away)
    by_lists = takes_lists(sender)
    rehearsal = Carried(sender, taker, Load([taker.did], bench.amounts.rehearsed, by_lists))
    load = Load([taker.did], fitting(bench.amounts.bulk, rehearsal.rate), by_lists)
    alone = [Carried(sender, taker, load).rate for _ in range(bench.amounts.rounds)]
    show_median(f"{title}to B alone", alone, "messages/s")
    away.stop()
    Load([away.did], waiting, by_lists).hand_to(sender)
    beside = [Carried(sender, taker, load, leaving=waiting).rate for _ in range(bench.amounts.rounds)]
    show_median(f"{title}to B, while C takes nothing", beside, "messages/s")
    ratio = statistics.median(beside) / statistics.median(alone)
    show_ratio("    beside B alone", ratio, None if programs else 0.9)
    # What waited was not lost meanwhile.
    away.start()
    wait_until_delivered(sender)
    for board in (sender, taker, away):
        board.stop()
    broker.stop()
