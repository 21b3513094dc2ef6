"""The programs for the boards work: under qemu they talk to this machine's own and to stock DIMP software.

From issue 4: culverd and culver for both boards, through a real broker, in both directions, with and without TLS, and the
recorded vectors inside the program.
"""

import shlex
import unittest

from bench import make_certificates
from harness import TOP, Daemon, Story
from packages import sysroot
from stock import WithStock


class Board:
    """Mixed into a Story: `board` is a daemon for another processor, its tool is one too."""

    BOARD: str
    QEMU = "qemu-aarch64-static"

    def setUp(self: Story) -> None:
        super().setUp()
        self.programs = self.directory / "programs"
        self.make_programs()

    def make_programs(self: Story) -> None:
        qemu = f"{self.QEMU} -L {shlex.quote(str(sysroot(self.BOARD)))}"
        self.programs.mkdir()
        for name in ["culverd", "culver"]:
            path = TOP / f".build/cross-{self.BOARD}/release" / name
            script = self.programs / name
            script.write_text(f'#!/bin/sh\nexec {qemu} {shlex.quote(str(path))} "$@"\n')
            script.chmod(0o755)

    def board(self: Story, broker, **options) -> Daemon:
        return self.daemon("board", broker, programs=self.programs, **options)

    def talk(self: Story, board: Daemon, desk: Daemon) -> None:
        """In both directions, by the tools; the receipts are verified."""
        for here, there, text in [(board, desk, "from the board"), (desk, board, "to the board")]:
            self.succeeds(here.tool("send", there.did, text, "--wait", "delivered", timeout=180))
            arrived = self.succeeds(there.tool("inbox", "--json")).lines
            self.assertEqual([row["content"]["text"] for row in arrived], [text])
            self.assertIs(arrived[0]["sealed"], True)


class Talks(Board):
    def test_it_talks_to_a_native_board(self):
        broker = self.broker()
        self.talk(self.board(broker), self.daemon("desk", broker))

    def test_it_talks_over_tls(self):
        make_certificates(self.directory)
        broker = self.broker(lines=[f"certfile {self.directory}/server.crt", f"keyfile {self.directory}/server.key"])
        options = {"url": broker.url.replace("mqtt:", "mqtts:"), "broker_lines": [f"ca_file = {self.directory}/authority.crt"]}
        self.talk(self.board(None, **options), self.daemon("desk", None, **options))

    def test_it_goes_on_after_kill(self):
        broker = self.broker()
        board, desk = self.board(broker), self.daemon("desk", broker)
        did = desk.did
        desk.stop()
        message = self.succeeds(board.tool("send", did, "kept")).out.strip()
        board.kill()
        board.start()
        desk.start()
        board.reaches(message, "delivered", patience=180)
        self.assertEqual(desk.texts(), ["kept"])

    def test_the_recorded_vectors_agree(self):
        done = self.succeeds(self.board(None, url=None).tool("selftest", timeout=300))
        self.assertNotEqual(done.out, "")


class Stock(Board, WithStock):
    """Every story of a stock peer's, on the board."""

    GENERATION = "2.4"

    def begin(self):
        broker = self.broker()
        return self.board(broker), self.peer(self.GENERATION, broker, "--name", "stock", *self.OPTIONS)


class TrixieTalks(Talks, Story):
    BOARD = "trixie"


class BookwormTalks(Talks, Story):
    BOARD = "bookworm"


class TrixieTalksToStock(Stock, Story):
    BOARD = "trixie"


class BookwormTalksToStock(Stock, Story):
    BOARD = "bookworm"


if __name__ == "__main__":
    unittest.main()
