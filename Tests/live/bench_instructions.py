"""How many instructions of the processor a message costs each end, counted by valgrind's callgrind.

The count is of this machine's own build and the same in each run within a few percent, whatever else the machine does.
Debian's qemu brings no plugin that counts; a board of another architecture needs about as many instructions, but those
of the signature, which mbedTLS has in assembly for some processors only. A board's rate can be told from its signatures
per second: a message costs as much as its instructions are beside those of one signature.
"""

import os
import pathlib
import re
import shutil
import subprocess

from bench_figures import show, show_ratio, show_words
from bench_load import Load, make_known, private_key_operations, takes_lists
from harness import HERE, Daemon, eventually, program, start

PI = 30.0  # signatures by RSA-2048 in a second on one core of a Raspberry Pi 3: 25 to 40 were seen


class CannotCount(Exception):
    """Valgrind of Debian 12 ends by itself in the libdispatch.so that a debug build loads."""


class CountedDaemon(Daemon):
    """Runs below valgrind, tens of times slower."""

    is_counted = False  # its identity is made at full speed

    def launch(self) -> None:
        if not self.is_counted:
            return super().launch()
        library = self.home / "unlimited.so"
        compiler = shutil.which("cc") or shutil.which("clang") or "gcc"
        build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "bench_unlimited.c")]
        subprocess.run(build, check=True)
        daemon = [program("culverd", self.programs), "--config", str(self.configuration)]
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.home}/calls"]
        with open(self.home / "log", "ab") as log:
            environment = {key: value for key, value in os.environ.items() if not key.startswith("CULVER")}
            environment["LD_PRELOAD"] = str(library)
            self.process = start([*valgrind, *daemon], stdout=log, stderr=log, env=environment)

    def counted(self) -> int:
        """Instructions since the last question."""
        before = set(self.home.glob("calls.*"))
        command = ["callgrind_control", "--dump", str(self.process.pid)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        # The file appears before it is whole.
        (made,) = eventually(lambda: set(self.home.glob("calls.*")) - before, what="callgrind's file")
        return eventually(lambda: instructions(made), what="callgrind's sum")


def instructions(calls: pathlib.Path) -> int | None:
    found = re.search(r"^(?:totals|summary): (\d+)", calls.read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else None


def of_messages(bench) -> None:
    if not shutil.which("valgrind"):
        return show_words("instructions a message", "valgrind is lacking")
    print("-- instructions a message, x86 callgrind, RSA-2048; to the verified receipt")
    signature = of_signature(bench)
    show("one raw signature", signature / 1e6, "million")
    for name, programs in (("now", None), ("base", bench.base)):
        if name == "now" or programs:
            try:
                of_build(bench, name, programs, signature)
            except CannotCount as why:
                show_words("instructions a message", str(why))


def of_signature(bench) -> float:
    """Between few and more: all else is the same."""
    key = bench.directory / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True, timeout=60)
    counts = []
    for times in (2, 6):
        calls = bench.directory / f"signatures.{times}"
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={calls}"]
        with open(key) as pem:
            work = [*valgrind, program("Bench"), "sign", str(times)]
            subprocess.run(work, check=True, stdin=pem, capture_output=True, timeout=300)
        counts.append(instructions(calls))
    return (counts[1] - counts[0]) / 4


def of_build(bench, name: str, programs: pathlib.Path | None, signature: float) -> None:
    title = "" if programs is None else "the build before, "
    broker = bench.broker(f"instructions-{name}")
    boards = [
        bench.board(f"{name}-{side}", broker.url, programs=programs, kind=CountedDaemon) for side in ("left", "right")
    ]
    for board in boards:
        board.start()
    make_known(*boards)
    for board in boards:
        board.stop()
        board.is_counted = True
        try:
            board.start()
        except AssertionError:
            raise CannotCount("valgrind cannot run this build") from None
    left, right = boards
    one_by_one(left, right.did, 2)
    settle(boards)
    amounts = bench.amounts
    by_lists = takes_lists(left)
    # A build that takes no lists makes no batches, and would take ten times as long.
    amount = amounts.counted_many if by_lists else amounts.counted_many // 10
    works = [("single", amounts.counted_singles, lambda count: one_by_one(left, right.did, count))]
    works.append(("batched" if by_lists else "64 under way", amount, lambda count: many(left, right.did, count, by_lists)))
    for work, count, carry in works:
        signed = [private_key_operations(board) for board in boards]
        settle(boards)
        carry(count)
        counts = [count_of / count for count_of in settle(boards)]
        for side, each, board, past in zip(("sender", "receiver"), counts, boards, signed):
            show(f"{title}{work}: {side}", each / 1e6, "million")
            if past is not None:
                show("    private-key operations", (private_key_operations(board) - past) / count, "/message")
            show_ratio("    beside one raw signature", each / signature)
        show(f"    where {PI:g} signatures a second are made", PI * signature / max(counts), "messages/s")
    for board in boards:
        board.stop()
    broker.stop()


def settle(boards: list[CountedDaemon]) -> list[int]:
    return [board.counted() for board in boards]


def one_by_one(board: Daemon, to: str, count: int) -> None:
    with board.control() as client:
        for number in range(count):
            message = client.call("message.send", to=to, text=f"{number:>7}: the soil is dry ".ljust(200, "."))
            client.call("message.wait", id=message["id"])


def many(board: Daemon, to: str, count: int, by_lists: bool) -> None:
    Load([to], count, by_lists).carry_from(board)
