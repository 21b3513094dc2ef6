#!/usr/bin/env python3
"""Nothing lost, nothing twice: two boards and a cluster of three brokers, whose nodes are killed and cut off.

    Tests/live/clusters.py --kind nats|rabbitmq|nats@sid|… [--rounds 10] [--seed N] [--way name|sections]    `make clusters ROUNDS=…`

In a round the boards write numbered messages to each other, as in faults.py, while one node is killed with `kill -9`
and one is cut off: from everybody, or from the other nodes alone; in any order, sometimes both at once, and started and
brought back after some seconds. After each of these deeds a message goes each way, and the time until its sender has
the receipt is printed: that is what recovery means here. At the end of the round everything that was accepted must be
delivered, and stand in the inbox once.

`--way name`: the boards know one name that has the addresses of all nodes. `--way sections`: a section for each node.

Root is needed, or user namespaces; see network.py. The programs are those of CULVER_BIN, else the newer of
.build/release and .build/debug.
"""

import argparse
import collections
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time
import traceback

import faults
import harness
import network
from cluster_brokers import Cluster, named
from faults import Board, Tally, Writer
from harness import Closed, Refused

# How a board of this cluster is best configured; docs/brokers.md says why.
WAYS = {"nats": "name", "rabbitmq": "sections"}
PAUSES = {"nats": (0.0, 8.0), "rabbitmq": (0.0, 15.0)}  # seconds until a node is back
KEEP_ALIVE = "10s"
# Seconds until a round must have ended well: a board that lost several connections one after the other waits up to two
# minutes before it dials again, and then messages are repeated.
SETTLING = 400.0


class Probe(Writer):
    """One message, sent now; how long its receipt took."""

    def __init__(self, writer: Writer, number: int, deed: str):
        super().__init__(writer.board, range(number, number + 1), writer.dice)
        self.writer, self.number, self.deed = writer, number, deed
        self.seconds: float | None = None

    def take(self, answer: dict) -> None:
        """It is one of the writer's numbers, and will be judged with them."""
        super().take(answer)
        self.writer.ids |= self.ids

    def run(self) -> None:
        begin = time.monotonic()
        super().run()
        identifier = self.ids.get(self.number)
        while identifier and not self.is_ending and time.monotonic() - begin < faults.SETTLING:
            try:
                if self.board.daemon.message(identifier)["state"] == "delivered":
                    self.seconds = time.monotonic() - begin
                    return
            except (OSError, Closed, Refused):
                pass
            time.sleep(0.02)


class ClusterWorld(faults.World):
    """Two boards and a cluster."""

    def __init__(self, seed: int, directory: pathlib.Path, kind: str, way: str):
        self.kind, self.way = kind, way
        self.probes: list[Probe] = []
        self.deeds: collections.Counter = collections.Counter()
        super().__init__(0, seed, directory)

    def begin(self) -> str:
        self.cluster = Cluster(self.directory, self.kind)
        self.cluster.start()
        urls = [self.cluster.url] if self.way == "name" else self.cluster.urls
        more = "".join(f"[broker b{number}]\nurl = {url}\nkeep_alive = {KEEP_ALIVE}\n" for number, url in enumerate(urls[1:]))
        self.sections = f"keep_alive = {KEEP_ALIVE}\n{more}{faults.World.sections}"
        return urls[0]

    def finish(self) -> None:
        self.cluster.stop()

    def kill_some(self) -> None:
        begin, probes = time.monotonic(), []
        schedule = []
        for deed in self.dice.sample(["kill", "cut"], 2):
            moment = (schedule[-1][0] if schedule and self.dice.random() < 0.7 else 0) + self.dice.uniform(0.2, 2)
            node = self.dice.choice(self.cluster.nodes)
            if deed == "cut":
                deed = self.dice.choice(["cut off", "apart"])
            schedule += [(moment, deed, node), (moment + self.dice.uniform(*PAUSES[self.kind.partition("@")[0]]), "back from " + deed, node)]
            schedule.sort(key=lambda row: row[0])
        for moment, deed, node in schedule:
            time.sleep(max(0, begin + moment - time.monotonic()))
            self.do(deed, node)
            self.plan.append(f"{time.monotonic() - begin:.1f} {node.machine.name} {deed}")
            if deed.startswith("back"):
                continue
            self.deeds[deed] += 1
            self.tally.counts["broker"] += 1
            for writer in self.writers:
                probes.append(Probe(writer, self.round * 1000 + 900 + len(probes), deed))
                probes[-1].start()
        self.await_nodes()
        harness.eventually(lambda: all(probe.ids for probe in probes), what="the acceptance of the probes")
        self.probes += probes

    def await_nodes(self) -> None:
        """Until all listen. One that has ended by itself is started again, as a service manager would do it."""
        for node in self.cluster.nodes:
            harness.eventually(lambda: self.is_up(node), node.patience, f"the return of {node.machine.name}")

    def is_up(self, node) -> bool:
        if not node.is_running:
            self.deeds["ended by themselves"] += 1
            node.kill()
            node.launch()
        return node.listens()

    def do(self, deed: str, node) -> None:
        if deed == "kill":
            node.kill()
        elif deed == "back from kill":
            node.launch()
        elif deed == "cut off":
            node.machine.cut("boards", "nodes")
        elif deed == "apart":
            node.machine.cut("nodes")
        else:
            node.machine.mend()

    def report(self) -> list[str]:
        """What recovery took, by deed."""
        lines = []
        for deed in ("kill", "cut off", "apart"):
            taken = sorted(probe.seconds for probe in self.probes if probe.deed == deed and probe.seconds is not None)
            if taken:
                late = taken[min(len(taken) - 1, len(taken) * 95 // 100)]
                lines.append(
                    f"{deed}: {self.deeds[deed]} times; a receipt after {statistics.median(taken):.2f} s (median), "
                    f"{late:.1f} s (95 of 100), {taken[-1]:.1f} s (longest)")
        if self.deeds["ended by themselves"]:
            lines.append(f"nodes that ended by themselves: {self.deeds['ended by themselves']}")
        return lines


def run(kind: str, rounds: int, seed: int | None = None, way: str | None = None, words=print) -> Tally:
    """All rounds; what goes on is said to `words`. To be called apart (`network.run_apart`)."""
    faults.choose_programs()
    faults.SETTLING = SETTLING
    seed = random.randrange(1 << 32) if seed is None else seed
    way = way or WAYS[kind.partition("@")[0]]
    words(f"clusters: {kind}, boards know them by {way}, seed {seed}, {rounds} rounds, {harness.program('culverd')}")
    directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
    total, world = Tally(), None
    try:
        world = ClusterWorld(seed, directory, kind, way)
        words(f"clusters: {world.cluster.nodes[0].version()}")
        for number in range(rounds):
            begin = time.monotonic()
            tally = world.play()
            total.add(tally)
            for fault in tally.faults:
                words(f"clusters: {fault}")
            words(f"clusters: round {number + 1}, {time.monotonic() - begin:.0f} s: {', '.join(world.plan)}; {took(world)}")
            if len(total.faults) > 10:
                break
    except Exception:
        total.faults.append(f"seed {seed}: {traceback.format_exc()}")
        words(total.faults[-1])
    finally:
        if world is not None:
            world.tally = Tally()
            for line in world.report():
                words(f"clusters: {kind}: {line}")
            world.close()
            total.add(world.tally)
    if total.faults:
        words(f"clusters: the files are in {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    words(f"clusters: {kind}, {total.rounds} rounds, seed {seed}: {total}")
    return total


def took(world: ClusterWorld) -> str:
    last = [probe for probe in world.probes if probe.number // 1000 == world.round]
    return "receipts after " + " ".join("-" if probe.seconds is None else f"{probe.seconds:.1f}" for probe in last) + " s"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--way", choices=["name", "sections"])
    options = parser.parse_args()
    named(options.kind)  # downloads, which nobody can in there
    network.run_apart()
    tally = run(options.kind, options.rounds, options.seed, options.way)
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
