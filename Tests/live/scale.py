#!/usr/bin/env python3
"""A hundred thousand messages, ten thousand contacts: what they cost the daemon, printed beside the goals. `make bench`
runs it.

    Tests/live/scale.py [growth] [contacts] [waiting] [sealed] [inbox]
                        [--count 100000] [--sealed 10000] [--received 2000] [--contacts 10000]
    Tests/live/scale.py --base DIRECTORY    growth and contacts also with the programs of an earlier build
    Tests/live/scale.py --short             so little of each that the figures mean nothing: for a test

growth   what a message costs sender and receiver when next to nothing is stored, and when the sender has sent COUNT
         and the receiver has COUNT in its inbox; by copies, as below.
contacts the same when the sender has one contact, and when it has CONTACTS; how long it takes to start with so many, and
         `status` with half of them.
waiting  COUNT messages through the socket for a peer whose visa nobody has: accepted, not sealed, saved. Then the peer
         appears, and for a while they are sealed and sent.
sealed   messages for a peer that is known and away, sealed and signed; the broker is killed and comes back; the peer
         comes back and takes them all.
inbox    RECEIVED messages from a second daemon; COUNT rows in all are made by copying those in the database with new
         ids and digests, while the daemon is down: nothing else would differ, and signing them would take minutes.

Cost is the daemon's processor time in windows of equally many messages of the same run. Memory is compared with the
same daemon before, empty and warm. Nothing fails here for being slow; a goal that is missed says `above`. What must
not happen at all, a lost or doubled message, ends it with 1.
"""

import argparse
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
os.environ.setdefault("CULVER_BIN", str(TOP / ".build/release"))

import bench_processes as processes  # noqa: E402
from bench import is_connected, seconds_to_ready  # noqa: E402
from bench_figures import show, show_median, show_words  # noqa: E402
from bench_load import Carried, Load, make_known, takes_lists  # noqa: E402
from harness import Daemon, Mosquitto, address_of, eventually, program  # noqa: E402

WINDOWS = 20
AHEAD = 64  # requests under way at a time
LIMITS = "[limits]\n" + "\n".join(
    ["outbox_messages = 1000000", "outbox_size = 16GiB", "inbox_messages = 1000000", "inbox_size = 16GiB"]
)


class Memory:
    """Of one daemon, in MiB, beside what it was empty: just started, or warm. Dirty is what it wrote itself,
    not a page of a program or a library, which RSS counts too."""

    def __init__(self, board: Daemon):
        self.board = board
        self.before = self.fresh = self.now()

    def warm(self) -> None:
        self.before = self.now()
        show("empty: private dirty", self.fresh[1], "MiB")
        show("empty and warm: private dirty", self.before[1], "MiB")

    def now(self) -> tuple[float, float]:
        found = processes.rollup(self.board.process.pid)
        return found["Rss"] / 1024, found["Private_Dirty"] / 1024

    def show(self, name: str, is_fresh: bool = False) -> None:
        resident, dirty = self.now()
        before = self.fresh if is_fresh else self.before
        show(f"{name}: private dirty, beside empty", dirty - before[1], "MiB", 4)
        show(f"{name}: RSS, beside empty", resident - before[0], "MiB", 4)

    def peak(self, name: str) -> None:
        for line in pathlib.Path(f"/proc/{self.board.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                show(f"{name}: RSS at its highest", int(line.split()[1]) / 1024, "MiB")


class Probe(threading.Thread):
    """Somebody else at the socket who asks for a trifle all the time: how long it takes."""

    def __init__(self, board: Daemon):
        super().__init__(daemon=True)
        self.board = board
        self.times: list[float] = []
        self.is_ending = False
        self.start()

    def run(self) -> None:
        with self.board.control() as client:
            while not self.is_ending:
                begun = time.monotonic()
                client.call("hello")
                self.times.append(time.monotonic() - begun)
                time.sleep(0.02)

    def show(self, name: str) -> None:
        self.is_ending = True
        self.join()
        show(f"{name}: hello, p50", 1000 * processes.quantile(self.times, 0.5), "ms")
        show(f"{name}: hello, slowest", 1000 * max(self.times), "ms")


class Costs:
    """Processor and clock time for each message, window by window."""

    def __init__(self, board: Daemon, window: int):
        self.board, self.window = board, window
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.count = 0
        self.mark()

    def mark(self) -> None:
        self.last = processes.cpu(self.board.process.pid), time.monotonic()

    def add(self) -> None:
        self.count += 1
        if self.count % self.window:
            return
        cpu, wall = self.last
        self.mark()
        self.cpu.append((self.last[0] - cpu) / self.window)
        self.wall.append((self.last[1] - wall) / self.window)

    def show(self, name: str) -> None:
        """The medians of the first and the last quarter of the windows."""
        quarter = max(1, len(self.cpu) // 4)
        for kind, costs in (("CPU", self.cpu), ("wall", self.wall)):
            first, last = statistics.median(costs[:quarter]), statistics.median(costs[-quarter:])
            show(f"{name}: {kind}, first quarter", 1e6 * first, "us/message")
            show(f"{name}: {kind}, last quarter", 1e6 * last, "us/message")
            show_growth(f"{name}: {kind}, last beside first", first, last)


def show_growth(name: str, first: float, last: float) -> None:
    """Processor time is counted in hundredths of a second: of a few messages it may be none."""
    if first > 0:
        show(name, 100 * (last / first - 1), "%", 25)


def send(board: Daemon, to: str, count: int, costs: Costs | None = None, text: str = "message {}: the soil is dry"):
    """Pipelined; returns when all are accepted, with the connection, which is still told of them."""
    client = board.control()
    prefix = b'{"jsonrpc":"2.0","method":"message.send","id":'
    sent = taken = 0
    while taken < count:
        batch = bytearray()
        while sent < count and sent - taken < AHEAD:
            sent += 1
            params = json.dumps({"to": to, "text": text.format(sent)}).encode()
            batch += prefix + str(sent).encode() + b',"params":' + params + b"}\n"
        if batch:
            client.socket.sendall(batch)
        line = client.read()
        if line is None or "error" in line:
            raise RuntimeError(f"a message was not taken: {line}")
        if "result" in line:
            taken += 1
            if costs:
                costs.add()
    return client


def timed(name: str, board: Daemon, method: str, goal: float | None = None, **params):
    """The median of five calls."""
    times = []
    with board.control() as client:
        client.call("hello")
        for _ in range(5):
            begun = time.monotonic()
            result = client.call(method, **params)
            times.append(time.monotonic() - begun)
    show(name, 1000 * statistics.median(times), "ms", goal)
    return result


class Growth:
    """What a message costs now: medians of several loads, singly and by lists."""

    def __init__(self, left: Daemon, right: Daemon, options: argparse.Namespace):
        kinds = {"singly": (options.singly, False)}
        if takes_lists(left):
            kinds["by lists"] = (options.by_lists, True)
        self.costs: dict[str, list[float]] = {}
        for kind, (count, by_lists) in kinds.items():
            load = Load([right.did], count, by_lists)
            runs = [Carried(left, right, load) for _ in range(options.loads + 1)][1:]
            self.costs[f"{kind}: CPU of the sender"] = [run.cpu[0] for run in runs]
            self.costs[f"{kind}: CPU of the receiver"] = [run.cpu[1] for run in runs]
            self.costs[f"{kind}: wall"] = [1000 / run.rate for run in runs]

    def show(self, name: str, before: "Growth", is_judged: bool) -> None:
        for kind, costs in self.costs.items():
            first = show_median(f"{name}, {kind}, first", before.costs[kind], "ms/message")
            last = show_median(f"{name}, {kind}, then", costs, "ms/message")
            show(f"{name}, {kind}, growth", 100 * (last / first - 1), "%", 15 if is_judged else None)


class Scale:
    def __init__(self, directory: pathlib.Path, options: argparse.Namespace):
        self.directory, self.options = directory, options
        self.servers: list = []

    def close(self) -> None:
        for server in reversed(self.servers):
            server.stop()

    def rest(self, seconds: float) -> None:
        """Lets the daemons settle."""
        time.sleep(seconds / 100 if self.options.short else seconds)

    def broker(self, name: str) -> Mosquitto:
        place = self.directory / name
        place.mkdir()
        broker = Mosquitto(place, lines=["max_inflight_messages 0", "max_queued_messages 1000000"])
        self.servers.append(broker)
        return broker

    def board(self, name: str, broker: Mosquitto | None, programs: pathlib.Path | None = None) -> Daemon:
        """Started anew after its identity was made, as after a boot of the board."""
        url = broker.url if broker else None
        board = Daemon(self.directory, name, url, sections=LIMITS, begin=False, programs=programs)
        board.configuration.write_text(board.configuration.read_text().replace("log = debug", "log = info"))
        self.servers.append(board)
        board.start()
        assert board.did
        if broker:
            self.again(board)
        return board

    def again(self, board: Daemon) -> None:
        board.stop()
        board.start()
        eventually(lambda: is_connected(board), what="the connection")

    def warm(self, board: Daemon, sender: Daemon, to: str) -> Memory:
        """Once through what will be done often, so that only the number of messages makes the difference."""
        self.rest(3)
        memory = Memory(board)
        send(sender, to, self.options.warm).close()
        for _ in range(20):
            board.call("status")
            board.call("message.list", limit=100)
            board.call("inbox.list", limit=100)
        self.rest(10)
        memory.warm()
        return memory

    def starts(self, name: str, board: Daemon, goal: float | None = 300) -> None:
        board.stop()
        count = 2 if self.options.short else 9
        times = [1000 * seconds_to_ready(board) for _ in range(count)]
        show(f"{name}: start to ready, median of {count}", statistics.median(times), "ms", goal)
        show(f"{name}: start to ready, slowest of {count}", max(times), "ms")
        board.kill()
        board.start()

    def looks(self, name: str, board: Daemon) -> None:
        timed(f"{name}: status", board, "status")
        timed(f"{name}: message.list, newest 100", board, "message.list", limit=100)
        timed(f"{name}: message.list, oldest 100", board, "message.list", start=1, limit=100)
        timed(f"{name}: message.list, 100 of no state", board, "message.list", state="failed", limit=100)
        timed(f"{name}: inbox.list, newest 100", board, "inbox.list", limit=100)
        timed(f"{name}: inbox.list, oldest 100", board, "inbox.list", start=1, limit=100)

    # Parts

    def growth(self) -> None:
        self.on_both_builds(self.growth_of)

    def contacts(self) -> None:
        command = [program("Bench"), "contacts", str(self.options.contacts)]
        made = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout
        self.cards = [json.loads(line) for line in made.splitlines()]
        self.on_both_builds(self.contacts_of)

    def on_both_builds(self, part) -> None:
        part("", None, is_judged=True)
        if self.options.base:
            part("before: ", self.options.base, is_judged=False)

    def pair(self, prefix: str, programs: pathlib.Path | None) -> tuple[Mosquitto, Daemon, Daemon]:
        broker = self.broker(f"{prefix}broker")
        left, right = (self.board(prefix + side, broker, programs) for side in ("left", "right"))
        make_known(left, right)
        return broker, left, right

    def growth_of(self, title: str, programs: pathlib.Path | None, is_judged: bool) -> None:
        count = self.options.count
        broker, left, right = self.pair("g-now-" if programs is None else "g-base-", programs)
        few = Growth(left, right, self.options)
        left.stop()
        right.stop()
        copied(left.state / "messages.sqlite", count, {"outbox": "ord"})
        copied(right.state / "messages.sqlite", count, INBOX)
        for board in (left, right):
            self.again(board)
        Growth(left, right, self.options).show(f"{title}{count} stored", few, is_judged)
        for server in (left, right, broker):
            server.stop()

    def contacts_of(self, title: str, programs: pathlib.Path | None, is_judged: bool) -> None:
        count = len(self.cards)
        broker, left, right = self.pair("c-now-" if programs is None else "c-base-", programs)
        few = Growth(left, right, self.options)
        half = count // 2
        for first, last, goal in ((0, half, 10), (half, count, None)):
            left.stop()
            befriend(left.state, self.cards[first:last])
            self.again(left)
            found = timed(f"{title}{last} contacts: status", left, "status", goal=goal if is_judged else None)
            if found["contacts"] < last:
                raise SystemExit(f"scale: {last} contacts were written, {found['contacts']} are there")
        self.starts(f"{title}{count} contacts", left, 120 if is_judged else None)
        eventually(lambda: is_connected(left), what="the connection")
        Growth(left, right, self.options).show(f"{title}{count} contacts", few, is_judged)
        show(f"{title}{count} contacts: private dirty", processes.dirty(left.process.pid), "MiB")
        for server in (left, right, broker):
            server.stop()

    def waiting(self) -> None:
        count = self.options.count
        name = f"{count} waiting"
        broker = self.broker("w")
        absent = self.board("w-absent", broker)
        did = absent.did
        absent.stop()
        # As if it had never been there: the broker keeps nothing.
        broker.kill()
        broker.start()
        board = self.board("w-board", broker)
        memory = self.warm(board, board, did)
        costs = Costs(board, count // WINDOWS)
        client = send(board, did, count, costs)
        costs.show(name)
        self.rest(10)
        memory.show(name)
        client.close()
        self.rest(3)
        memory.show(f"{name}, sender gone")
        memory.peak(name)
        self.looks(name, board)
        self.starts(name, board)
        eventually(lambda: is_connected(board), what="the connection")
        self.rest(5)
        memory.show(f"{name}, after a start", is_fresh=True)
        self.appear(board, absent, memory)
        board.stop()
        absent.stop()

    def appear(self, board: Daemon, absent: Daemon, memory: Memory) -> None:
        """The peer is there: its visa is found, what waited is sealed."""
        seconds = 1.0 if self.options.short else 20.0
        probe = Probe(board)
        spent = processes.cpu(board.process.pid)
        absent.start()
        absent.call("contact.add", did=board.did)
        time.sleep(seconds)
        name = f"peer there for {seconds:.0f} s"
        states = board.call("status").get("outbox")
        show(f"{name}: arrived", absent.call("status")["inbox"]["count"], "messages")
        print(f"    {states}")
        show(f"{name}: CPU", (processes.cpu(board.process.pid) - spent) / seconds * 100, "%")
        probe.show(name)
        memory.show(name)
        memory.peak(name)

    def sealed(self) -> None:
        count = self.options.sealed
        name = f"{count} sealed"
        broker = self.broker("s")
        board, peer = self.board("s-board", broker), self.board("s-peer", broker)
        peer.call("contact.add", did=board.did)
        memory = self.warm(board, board, peer.did)
        eventually(lambda: not any(board.call("status")["outbox"].values()), what="the first messages")
        peer.kill()
        costs = Costs(board, max(1, count // WINDOWS))
        probe = Probe(board)
        client = send(board, peer.did, count, costs)
        costs.show(name)
        probe.show(name)
        self.rest(10)
        memory.show(name)
        memory.peak(name)
        self.looks(name, board)
        self.starts(name, board)
        eventually(lambda: is_connected(board), what="the connection")
        # The broker dies and comes back empty: everything is sent again.
        probe = Probe(board)
        broker.kill()
        self.rest(3)
        spent = processes.cpu(board.process.pid)
        broker.start()
        eventually(lambda: is_connected(board), what="the connection")
        self.rest(10)
        show(f"{name}, 10 s after the broker: CPU", (processes.cpu(board.process.pid) - spent) / 10 * 100, "%")
        memory.show(f"{name}, 10 s after the broker")
        probe.show(f"{name}, 10 s after the broker")
        if count > 20_000:
            return  # taking them takes the peer as long as sealing took us
        client.close()
        probe = Probe(board)
        spent, begun = processes.cpu(board.process.pid), time.monotonic()
        peer.start()
        eventually(lambda: not any(board.call("status")["outbox"].values()), 3600, "delivery of all")
        taken = time.monotonic() - begun
        show(f"{name}, taken by the peer", count / taken, "messages/s")
        show(f"{name}, taken by the peer: CPU", 1e6 * (processes.cpu(board.process.pid) - spent) / count, "us/message")
        probe.show(f"{name}, taken by the peer")
        memory.show(f"{name}, all delivered")
        self.check(peer, count + self.options.warm)
        board.stop()
        peer.stop()

    def check(self, peer: Daemon, count: int) -> None:
        found = peer.inbox()
        if len(found) != count or len({row["id"] for row in found}) != count:
            raise SystemExit(f"scale: {count} messages were accepted, {len(found)} arrived")

    def inbox(self) -> None:
        count, received = self.options.count, self.options.received
        name = f"{count} in the inbox"
        broker = self.broker("i")
        board, peer = self.board("i-board", broker), self.board("i-peer", broker)
        board.call("contact.add", did=peer.did)
        memory = self.warm(board, peer, board.did)
        costs = Costs(board, max(1, received // 4))
        send(peer, board.did, received, costs).close()
        eventually(lambda: board.call("status")["inbox"]["count"] >= received + self.options.warm, 600, "the arrival")
        memory.show(f"{received} received")
        peer.stop()
        board.stop()
        copies = copied(board.state / "messages.sqlite", count)
        print(f"    {count - copies} rows were received, {copies} are copies of them")
        board.start()
        eventually(lambda: is_connected(board), what="the connection")
        memory.show(f"{name}, after a start", is_fresh=True)
        self.looks(name, board)
        timed(f"{name}: inbox.list, 100 of the type of files", board, "inbox.list", type=16, limit=100)
        timed(f"{name}: inbox.list, 100 of a sender", board, "inbox.list", sender=peer.did, limit=100)
        self.read_through(name, board, count)
        memory.show(f"{name}, read through")
        timed(f"{name}: inbox.consumers", board, "inbox.consumers")
        # New ones on top of the old.
        peer.start()
        eventually(lambda: is_connected(peer), what="the connection")
        later = Costs(board, max(1, received // 4))
        send(peer, board.did, received, later).close()
        eventually(lambda: board.call("status")["inbox"]["count"] >= count + received, 600, "the arrival")
        first, last = statistics.median(costs.cpu), statistics.median(later.cpu)
        show_growth(f"{name}: CPU of an arrival beside empty", first, last)
        memory.show(f"{name}, and {received} more")
        self.starts(name, board)
        board.stop()
        peer.stop()

    def read_through(self, name: str, board: Daemon, count: int) -> None:
        costs = Costs(board, count // WINDOWS)
        last = 0
        with board.control() as client:
            client.call("inbox.subscribe", consumer="reader", window=100)
            number = 0
            for _ in range(count):
                note = client.notifications.pop(0) if client.notifications else client.read()
                while note.get("method") != "inbox.message":
                    note = client.read()
                seq = note["params"]["seq"]
                if seq <= last:
                    raise SystemExit(f"scale: {seq} was handed out after {last}")
                last = seq
                number += 1
                if number % 50 == 0:
                    client.send_line(b'{"jsonrpc":"2.0","id":1,"method":"inbox.ack","params":{"consumer":"reader","seq":%d}}' % last)
                costs.add()
        costs.show(f"{name}, a consumer reads")


INBOX = {"inbox": "seq", "seen": "number"}


def copied(path: pathlib.Path, count: int, tables: dict[str, str] = INBOX) -> int:
    """Fills the first of `tables`, which are named with their keys, up to `count` with copies of its rows, and the others
    alike; how many it added. What must be unique is made anew."""
    database = sqlite3.connect(path)
    have = database.execute(f"SELECT count(*) FROM {next(iter(tables))}").fetchone()[0]
    fresh = {"id": "lower(hex(randomblob(8)))", "digest": "iif(digest IS NULL, NULL, randomblob(32))"}
    fresh["sn"] = "abs(random()) % 2147483647 + 1"
    for table, key in tables.items():
        first, last = database.execute(f"SELECT min({key}), max({key}) FROM {table}").fetchone()
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != key]
        names, values = ", ".join(columns), ", ".join(fresh.get(name, name) for name in columns)
        insertion = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {key} = ?"
        database.executemany(insertion, ([first + number % (last - first + 1)] for number in range(count - have)))
        if "shipment" in columns:
            seal_copies(database, last)
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return count - have


def seal_copies(database: sqlite3.Connection, last: int) -> None:
    """Gives each sealed row behind `last` of the outbox a shipment of its own, like the one that it was copied with."""
    newest = database.execute("SELECT max(number) FROM shipments").fetchone()[0]
    columns = [row[1] for row in database.execute("PRAGMA table_info(shipments)") if row[1] != "number"]
    values = ", ".join({"digest": "randomblob(32)", "sn": "o.sn"}.get(name, f"s.{name}") for name in columns)
    database.execute(
        f"INSERT INTO shipments (number, {', '.join(columns)}) SELECT {newest} + o.ord, {values} "
        "FROM outbox o JOIN shipments s ON s.number = o.shipment WHERE o.ord > ?",
        [last],
    )
    database.execute("UPDATE outbox SET shipment = ? + ord WHERE ord > ? AND shipment IS NOT NULL", [newest, last])


def befriend(state: pathlib.Path, cards: list[dict]) -> None:
    """Contacts as the daemon's files have them (culver.conf(5)), each with a message that was sent and receipted."""
    for card in cards:
        place = state / "contacts" / address_of(card["did"])
        place.mkdir(parents=True)
        trust = {"did": card["did"], "trust": "contact", "blocked": False, "culver": True, "knows_us": True}
        for name, content in (("meta", card["meta"]), ("visa", card["visa"]), ("trust", trust)):
            (place / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
    database = sqlite3.connect(state / "messages.sqlite")
    counts = [row[1] for row in database.execute("PRAGMA table_info(peers)") if row[1] != "did"]
    values = ", ".join("1" if name in ("sent", "receipted") else "0" for name in counts)
    insertion = f"INSERT OR REPLACE INTO peers (did, {', '.join(counts)}) VALUES (?, {values})"
    database.executemany(insertion, ([card["did"]] for card in cards))
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def main() -> None:
    parts = ["growth", "contacts", "waiting", "sealed", "inbox"]
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts) + "; all of them without one")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--sealed", type=int, default=10_000)
    parser.add_argument("--received", type=int, default=2_000)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--base", type=pathlib.Path, help="the directory with the programs of an earlier build")
    parser.add_argument("--short", action="store_true", help="so little of each that the figures mean nothing: for a test")
    options = parser.parse_args()
    options.warm = 500
    options.loads, options.singly, options.by_lists = 5, 200, 2_000
    if options.short:
        options.count, options.sealed, options.received, options.warm = 200, 40, 40, 20
        options.loads, options.singly, options.by_lists, options.contacts = 1, 5, 10, 6
    if options.base and not (options.base / "culverd").exists():
        show_words("the build before", f"there is no {options.base}/culverd")
        options.base = None
    for name in options.parts:
        if name not in parts:
            parser.error(f"{name} is none of {', '.join(parts)}")
    for name in parts:
        if options.parts and name not in options.parts:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
        scale = Scale(directory, options)
        try:
            getattr(scale, name)()
        finally:
            scale.close()
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
