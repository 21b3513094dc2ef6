#!/usr/bin/env python3
"""Nothing lost, nothing twice: two boards and a broker, and `kill -9` for all three of them at random instants.

    Tests/live/faults.py [--rounds 30] [--worlds 4] [--seed N] [--seconds S]      `make faults ROUNDS=…`

A world is a broker and two daemons that write numbered messages to each other. In a round the daemons and the broker
are killed at instants that a seed chooses, some of them blind, some a few milliseconds after a message was accepted or
handed out, and started again; the broker comes back with all it had on disk, without persistence, with a queue of 10
messages, without its store, or with an old one. Then everything must end well: each number that `message.send`
answered, or did not answer and was asked again for with the same `ref`, is `delivered` at the sender and stands in the
receiver's inbox once, and a consumer that acknowledges late and now and then loses its connection has got it, once.

A lost number was accepted and is not in the inbox, or was never `delivered`; a doubled one stands there under two
`seq`. Whatever else a program could stumble over is printed as a fault, and the files of that world are kept.

The programs are those of CULVER_BIN, else the newer of .build/release and .build/debug.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import harness
from harness import Closed, Control, Daemon, Mosquitto, Refused, rows

SETTLING = 120.0  # seconds after the last kill until everything must have ended well
WORLDS = 4  # side by side: a round is mostly waiting for repeats
KINDS = ("disk", "memory", "short", "deleted", "old")
# What a program that is refused for one of these tries again.
LATER = {"stopping", "outbox-full", "disk-full", "not-written", "too-many-clients"}


class Tally:
    """What happened, added up."""

    NAMES = ("rounds", "accepted", "delivered", "lost", "doubled", "agents", "broker", "asked_again")

    def __init__(self, **counts: int):
        self.counts = collections.Counter(counts)
        self.faults: list[str] = []

    def __getattr__(self, name: str) -> int:
        if name not in self.NAMES:
            raise AttributeError(name)
        return self.counts[name]

    def add(self, other: "Tally") -> None:
        self.counts.update(other.counts)
        self.faults += other.faults

    @property
    def is_good(self) -> bool:
        return not self.faults and self.lost == self.doubled == 0 and self.delivered == self.accepted > 0

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}, delivered {self.delivered}, lost {self.lost}, doubled {self.doubled}, "
            f"kills {self.agents + self.broker} ({self.agents} of agents, {self.broker} of the broker)"
        )


class Reader(threading.Thread):
    """The program behind one durable consumer. It lives through all kills, acknowledges late, and forgets its
    connection now and then."""

    def __init__(self, board: "Board", dice: random.Random):
        super().__init__(daemon=True)
        self.board, self.dice = board, dice
        self.is_ending = False
        self.rows: dict[int, tuple[int, str]] = {}  # seq → number, id
        self.cursor = 0  # the highest acknowledgement that was answered

    def run(self) -> None:
        while not self.is_ending:
            try:
                with Control(self.board.daemon.socket) as client:
                    self.read(client)
            except (OSError, Closed):
                time.sleep(0.02)
            except Refused as refusal:
                if refusal.reason not in LATER:
                    self.board.fault(f"the consumer was refused: {refusal}")
                time.sleep(0.1)
            except Exception:
                self.board.fault(traceback.format_exc())
                return

    def read(self, client: Control) -> None:
        client.call("inbox.subscribe", consumer="log", window=self.dice.choice([1, 8, 32, 200]))
        last = highest = held = 0
        lag = self.dice.choice([0, 0, 3, 30])
        while not self.is_ending:
            try:
                note = client.notifications.pop(0) if client.notifications else client.read(0.2)
                if note is None:
                    raise Closed("the daemon is gone")
                if note.get("method") != "inbox.message":
                    self.board.fault(f"not for a consumer: {note}")
                    continue
                seq = note["params"]["seq"]
                if seq <= last:
                    self.board.fault(f"handed out {seq} after {last}")
                last = highest = seq
                held += 1
                self.take(note["params"])
            except TimeoutError:
                lag = 0 if held else self.dice.choice([0, 0, 3, 30])
            if self.dice.random() < 0.005:
                return  # it crashed, and has acknowledged nothing of the last ones
            if held > lag or held >= 1 and self.dice.random() < 0.05:
                self.cursor = max(self.cursor, client.call("inbox.ack", consumer="log", seq=highest)["cursor"])
                held = 0

    def take(self, message: dict) -> None:
        seq, number = message["seq"], int(message["content"]["text"].split()[0])
        row, known = (number, message["id"]), self.rows.get(seq)
        if message["sender"] != self.board.peer.did:
            self.board.fault(f"{seq} is of {message['sender']}")
        if seq <= self.cursor:
            self.board.fault(f"{seq} was handed out though {self.cursor} was acknowledged")
        if known is None:
            self.rows[seq] = row
        elif known != row:
            self.board.fault(f"{seq} was {known} and is {row}")
        elif message.get("again") is not True:
            self.board.fault(f"{seq} came again and did not say so")


class Writer(threading.Thread):
    """A program that sends numbers with a reference each, some in bursts, and asks again for what was not answered."""

    def __init__(self, board: "Board", numbers: range, dice: random.Random):
        super().__init__(daemon=True)
        self.board, self.dice = board, dice
        self.left = collections.deque(numbers)
        self.ids: dict[int, str] = {}
        self.asked: set[int] = set()
        self.again = 0
        self.is_ending = False

    def run(self) -> None:
        try:
            while self.left and not self.is_ending:
                try:
                    with Control(self.board.daemon.socket) as client:
                        self.write(client)
                except (OSError, Closed):
                    time.sleep(0.02)
        except Exception:
            self.board.fault(traceback.format_exc())

    def write(self, client: Control) -> None:
        while self.left and not self.is_ending:
            burst = [self.left.popleft() for _ in range(min(len(self.left), self.dice.choice([1, 1, 1, 2, 5, 12])))]
            try:
                for number in burst:
                    self.ask(client, number)
                if self.dice.random() < 0.05:
                    return  # it crashed before it read the answers
                for _ in burst:
                    answer = client.read(20)
                    while answer is not None and "method" in answer:
                        answer = client.read(20)
                    if answer is None:
                        return
                    self.take(answer)
            finally:
                self.left.extendleft(number for number in reversed(burst) if number not in self.ids)
            time.sleep(min(0.3, self.dice.expovariate(12)))

    def ask(self, client: Control, number: int) -> None:
        self.again += number in self.asked
        self.asked.add(number)
        params = {"to": self.board.peer.did, "text": text(number), "ref": f"number {number}"}
        client.send_line(json.dumps({"jsonrpc": "2.0", "id": number, "method": "message.send", "params": params}).encode())

    def take(self, answer: dict) -> None:
        number = answer["id"]
        if "error" not in answer:
            self.ids[number] = answer["result"]["id"]
            self.board.stirred += 1
        elif (answer["error"].get("data") or {}).get("reason") not in LATER:
            self.board.fault(f"number {number} was refused: {answer['error']}")
            self.ids[number] = ""


def text(number: int) -> str:
    """The same for each repeat; every seventh is long."""
    return f"{number} " + "x" * (number * 7919 % 20_000 if number % 7 == 0 else 0)


class Board:
    """A daemon with its reader."""

    def __init__(self, world: "World", name: str):
        self.world, self.name = world, name
        self.daemon = Daemon(world.directory, name, world.url, sections=world.sections)
        self.did = self.daemon.did
        self.peer: Board | None = None
        self.reader = Reader(self, world.chance(f"{name} reads"))
        self.stirred = 0  # goes up when something was accepted
        self.passed = 0  # the inbox was checked up to here

    def fault(self, words: str) -> None:
        self.world.fault(f"{self.name}: {words}")

    def inbox(self) -> dict[int, int]:
        """The rows that were not looked at before: seq → number."""
        found, start = {}, self.passed + 1
        while start is not None:
            page = self.daemon.call("inbox.list", start=start, limit=1000)
            found |= {row["seq"]: int(row["content"]["text"].split()[0]) for row in rows(page)}
            start = page.get("next")
        return found


class World:
    """A broker and two boards, for some rounds."""

    sections = "[delivery]\nreceipt_timeout = 1s"  # of the boards' configuration

    def __init__(self, number: int, seed: int, directory: pathlib.Path):
        self.number, self.seed, self.directory = number, seed, directory
        self.dice = self.chance("kills")
        self.round = 0
        self.tally = Tally()
        self.plan: list[str] = []
        self.url = self.begin()
        self.boards = [Board(self, name) for name in ("left", "right")]
        for board, peer in zip(self.boards, reversed(self.boards)):
            board.peer = peer
        for board in self.boards:
            board.reader.start()

    def begin(self) -> str:
        """Starts what the boards' messages go through, and returns its URL."""
        self.broker = Mosquitto(self.directory, persistence=True)
        return self.broker.url

    def chance(self, purpose: str) -> random.Random:
        return random.Random(f"{self.seed} {self.number} {purpose}")

    def fault(self, words: str) -> None:
        self.tally.faults.append(f"seed {self.seed}, world {self.number}, round {self.round}: {words}")

    def play(self) -> Tally:
        """One round."""
        self.round += 1
        self.tally = Tally(rounds=1)
        self.plan = []
        self.writers = writers = []
        for board in self.boards:
            first = self.round * 1000 + 1
            numbers = range(first, first + self.dice.randint(20, 60))
            writers.append(Writer(board, numbers, self.chance(f"{board.name} writes {self.round}")))
        try:
            for writer in writers:
                writer.start()
            self.kill_some()
            self.settle(writers)
        except (OSError, AssertionError, Refused):
            self.fault(traceback.format_exc())
        finally:
            for writer in writers:
                writer.is_ending = True
        if self.tally.faults:
            self.tally.faults.append("  the kills: " + ", ".join(self.plan))
        return self.tally

    # Kills

    def kill_some(self) -> None:
        """Each board once at least: its wait before another connection begins anew then, and rounds stay short."""
        victims = [*self.boards, *self.dice.choices(self.boards, k=self.dice.randint(0, 3))]
        victims += [None] * self.dice.choice([0, 1, 1, 2])
        length = self.dice.uniform(1.0, 3.5)
        deeds = []
        for victim in victims:
            moment = self.dice.uniform(0, length)
            deeds.append((moment, len(deeds), "kill", victim))
            deeds.append((moment + self.dice.choice([0, 0.02, 0.1, 0.5, 1.2]), len(deeds), "start", victim))
        begin = time.monotonic()
        for moment, _, deed, victim in sorted(deeds, key=lambda deed: deed[:2]):
            time.sleep(max(0, begin + moment - time.monotonic()))
            if deed == "start":
                self.start(victim)
            elif victim is None:
                self.kill_broker(begin)
            else:
                self.kill_board(victim, begin)
        for victim in (None, *self.boards):
            self.start(victim)

    def kill_board(self, board: Board, begin: float) -> None:
        if not board.daemon.alive:
            return
        if self.dice.random() < 0.5:
            # Shortly after something was accepted or handed out, if anything is within half a second.
            before = self.stirring
            pause = self.dice.uniform(0, 0.015)
            end = time.monotonic() + 0.5
            while self.stirring == before and time.monotonic() < end:
                time.sleep(0.0005)
            time.sleep(pause)
        board.daemon.kill()
        self.tally.counts["agents"] += 1
        self.plan.append(f"{time.monotonic() - begin:.3f} {board.name}")

    @property
    def stirring(self) -> int:
        return sum(board.stirred + len(board.reader.rows) for board in self.boards)

    def kill_broker(self, begin: float) -> None:
        if self.broker.process.poll() is not None:
            return
        self.broker.kill()
        self.tally.counts["broker"] += 1
        kind = self.dice.choice(KINDS)
        self.plan.append(f"{time.monotonic() - begin:.3f} broker, then {kind}")
        store = self.broker.directory / "mosquitto.db"
        backup = self.directory / "old.db"
        if kind == "old" and backup.exists():
            shutil.copyfile(backup, store)
        elif store.exists() and self.dice.random() < 0.5:
            shutil.copyfile(store, backup)
        if kind == "deleted":
            store.unlink(missing_ok=True)
        self.broker.configure(
            persistence="false" if kind == "memory" else "true",
            max_queued_messages="10" if kind == "short" else "100000",
        )

    def start(self, victim: Board | None) -> None:
        process = (self.broker if victim is None else victim.daemon).process
        if process.poll() is None:
            return
        if process.returncode != -9:
            self.fault(f"{'the broker' if victim is None else victim.name} ended by itself with {process.returncode}")
        harness.end(process)
        (self.broker if victim is None else victim.daemon).launch()

    # The end of a round

    def settle(self, writers: list[Writer]) -> None:
        end = time.monotonic() + SETTLING
        for writer in writers:
            writer.join(max(0, end - time.monotonic()))
            self.tally.counts["asked_again"] += writer.again
            if writer.left:
                writer.board.fault(f"not answered in time: {list(writer.left)}")
        waiting = {(writer.board, number): None for writer in writers for number in writer.ids if writer.ids[number]}
        while waiting and time.monotonic() < end:
            asked = [key for key, shown in waiting.items() if shown is None or shown["state"] != "unknown"]
            if not asked:
                break
            for (board, number), shown in self.look(asked, writers):
                waiting[board, number] = shown
                if shown["state"] == "delivered":
                    del waiting[board, number]
            time.sleep(0.1)
        for writer in writers:
            self.judge(writer, waiting, end)

    def look(self, numbers: list, writers: list[Writer]) -> list:
        """How these are at their senders. A daemon that is still starting is asked later."""
        shown = []
        for writer in writers:
            try:
                with writer.board.daemon.control() as client:
                    for board, number in numbers:
                        if board is not writer.board:
                            continue
                        try:
                            row = client.call("message.show", id=writer.ids[number])
                        except Refused as refusal:
                            row = {"state": "unknown", "refusal": str(refusal)}
                        shown.append(((board, number), row))
            except (OSError, Closed):
                pass
            self.start(writer.board)
        return shown

    def judge(self, writer: Writer, waiting: dict, end: float) -> None:
        board, peer = writer.board, writer.board.peer
        accepted = {number for number in writer.ids if writer.ids[number]}
        self.check_refs(writer)
        places = collections.defaultdict(list)
        inbox = peer.inbox()
        for seq, number in inbox.items():
            places[number].append(seq)
        peer.passed = max(inbox, default=peer.passed)
        while not set(inbox) <= set(peer.reader.rows) and time.monotonic() < end + 5:
            time.sleep(0.05)
        handed = collections.defaultdict(set)
        for seq, (number, identifier) in list(peer.reader.rows.items()):
            handed[number].add((seq, identifier))
        for number in sorted(accepted):
            is_there = len(places[number]) >= 1 and len(handed[number]) >= 1
            is_doubled = len(places[number]) > 1 or len(handed[number]) > 1
            is_delivered = (board, number) not in waiting
            self.tally.counts["accepted"] += 1
            self.tally.counts["delivered"] += is_there and is_delivered
            self.tally.counts["lost"] += not (is_there and is_delivered)
            self.tally.counts["doubled"] += is_doubled
            if not is_there or is_doubled or not is_delivered:
                board.fault(
                    f"number {number}, {writer.ids[number]}: inbox {places[number]}, handed out {handed[number]}, "
                    f"at the sender {waiting.get((board, number), 'delivered') or 'not shown'}"
                )
        for number in set(places) - accepted:
            peer.fault(f"number {number} came, and was not accepted in this round: {places[number]}")

    def check_refs(self, writer: Writer) -> None:
        """Asked for once more, each number is what it was."""
        with writer.board.daemon.control() as client:
            for number, identifier in writer.ids.items():
                again = client.call("message.send", to=writer.board.peer.did, text=text(number), ref=f"number {number}")
                if identifier and (again["id"], again.get("repeat")) != (identifier, True):
                    writer.board.fault(f"number {number} was {identifier} and is {again}")

    def close(self) -> None:
        for board in self.boards:
            board.reader.is_ending = True
            board.reader.join(5)
            status = board.daemon.stop()
            if status != 0:
                board.fault(f"ended with {status}")
        self.finish()

    def finish(self) -> None:
        self.broker.stop()


# Worlds side by side


def play(number: int, seed: int, rounds: int, seconds: float) -> None:
    """A world in this process; a line of JSON for each round."""
    begin = time.monotonic()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="culver-"))
    tally, keep = Tally(), False

    def report() -> None:
        nonlocal keep
        if tally.faults and not keep:
            keep = True
            tally.faults.append(f"  the files are in {directory}")
        print(json.dumps({"counts": tally.counts, "faults": tally.faults}), flush=True)

    world = None
    try:
        world = World(number, seed, directory)
        bad = 0
        for _ in range(rounds):
            if time.monotonic() - begin > seconds or bad == 3:
                break
            tally = world.play()
            bad += bool(tally.faults)
            report()
        world.tally = tally = Tally()
        world.close()
    except Exception:
        if world is not None:
            tally = world.tally
        tally.faults.append(f"seed {seed}, world {number}: {traceback.format_exc()}")
    if tally.faults:
        report()
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)


def choose_programs() -> None:
    """The newer of the two builds: neither is known to be of today's sources."""
    built = [harness.TOP / ".build" / kind for kind in ("release", "debug")]
    built = [place for place in built if (place / "culverd").exists()]
    if "CULVER_BIN" not in os.environ and built:
        os.environ["CULVER_BIN"] = str(max(built, key=lambda place: (place / "culverd").stat().st_mtime))


def run(rounds: int, seed: int | None = None, worlds: int = WORLDS, seconds: float = 1e9, words=print) -> Tally:
    """All rounds; what goes on is said to `words`."""
    choose_programs()
    seed = random.randrange(1 << 32) if seed is None else seed
    worlds = max(1, min(worlds, rounds))
    words(f"faults: seed {seed}, {rounds} rounds in {worlds} worlds, {harness.program('culverd')}")
    shares = [rounds // worlds + (number < rounds % worlds) for number in range(worlds)]
    processes = []
    for number, share in enumerate(shares):
        options = ["--world", str(number), "--seed", str(seed), "--rounds", str(share), "--seconds", str(seconds)]
        processes.append(harness.start([sys.executable, __file__, *options], stdout=subprocess.PIPE))
    total, lock = Tally(), threading.Lock()

    def follow(process: subprocess.Popen) -> None:
        for line in process.stdout:
            news = json.loads(line)
            tally = Tally(**news["counts"])
            tally.faults = news["faults"]
            with lock:
                total.add(tally)
                for fault in tally.faults:
                    words(f"faults: {fault}")
                if total.rounds % 10 == 0 and tally.rounds:
                    words(f"faults: after {total.rounds} rounds: {total}")
        process.stdout.close()

    threads = [threading.Thread(target=follow, args=[process]) for process in processes]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        for process in processes:
            status = harness.end(process)
            if status != 0:
                total.faults.append(f"seed {seed}: a world ended with {status}")
    if total.rounds != rounds and seconds > 1e8:
        total.faults.append(f"seed {seed}: {total.rounds} of {rounds} rounds were played")
    words(f"faults: {total.rounds} rounds, {total.asked_again} asked for again, seed {seed}")
    words(str(total))
    return total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--worlds", type=int, default=WORLDS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=1e9, help="no round begins later than this")
    parser.add_argument("--world", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.world is not None:
        play(options.world, options.seed, options.rounds, options.seconds)
        return 0
    tally = run(options.rounds, options.seed, options.worlds, options.seconds)
    for fault in tally.faults[:40] if not tally.is_good else []:
        print(fault, file=sys.stderr)
    return 0 if tally.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
