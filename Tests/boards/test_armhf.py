"""32-bit ARM has what the 64-bit boards have, though numbers of the language are narrow there.

From issue 13: the package for armhf, one conversation of three processors, and what once ended a daemon of 32 bits: a
large limit, a backup of a large disk, an archive that is cut off or says that it is larger than 4 GiB.
"""

import pathlib
import unittest

from harness import Daemon, Story, tool
from test_arm64 import Board, Stock, Talks
from test_packages import Installed, Life

TOP = pathlib.Path(__file__).resolve().parent.parent.parent


class Narrow(Board):
    BOARD = "armhf"
    QEMU = "qemu-arm-static"


class ArmhfTalks(Narrow, Talks, Story):
    pass


class ArmhfTalksToStock(Narrow, Stock, Story):
    pass


class Armhf(Life, Installed):
    BOARD = "armhf"
    RELEASE, ARCHITECTURE = "trixie", "armhf"


class Wide(Narrow, Story):
    """Numbers of more than 32 bits from outside."""

    LIMITS = "[limits]\noutbox_size = 64MiB\ninbox_size = 1024GiB\nparked_size = 4GiB"

    def restore(self, archive: pathlib.Path, name: str):
        return tool("restore", str(archive), "--state", str(self.directory / name), programs=self.programs, timeout=120)

    def kept(self, board: Daemon) -> pathlib.Path:
        archive = self.directory / f"{board.name}.tar"
        self.succeeds(board.tool("backup", str(archive), timeout=120))
        return archive

    def test_limits_of_more_than_two_gibibytes_are_taken(self):
        board = self.board(None, url=None, sections=self.LIMITS)
        metrics = self.succeeds(board.tool("metrics")).out
        values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line[0] != "#")
        self.assertGreater(float(values["culver_state_free_bytes"]), 1 << 20)
        self.succeeds(board.tool("doctor", "--help"))

    def test_an_archive_that_is_cut_off_anywhere_is_refused(self):
        whole = self.kept(self.board(None, url=None)).read_bytes()
        cut = self.directory / "cut.tar"
        step = len(whole) // 24
        lengths = {0, 1, 511, 512, 513, 1023, 1024, 1025, len(whole) - 1, len(whole) - 512, len(whole) - 513, len(whole) - 1024}
        for length in sorted(lengths | set(range(step, len(whole) - 1, step))):
            cut.write_bytes(whole[:length])
            self.assertIn("the backup is not taken", self.fails(65, self.restore(cut, f"cut-{length}")).err)

    def test_a_file_of_more_than_four_gibibytes_is_refused(self):
        whole = bytearray(self.kept(self.board(None, url=None)).read_bytes())
        for digits in [b"40000000005", b"77777777777", b"20000000000"]:  # 4 GiB and 5 bytes, 8 GiB less 1, 2 GiB
            whole[124:136] = digits + b"\0"
            whole[148:156] = b" " * 8
            whole[148:156] = b"%06o\0 " % sum(whole[:512])
            archive = self.directory / "large.tar"
            archive.write_bytes(whole)
            self.assertIn("the backup is not taken", self.fails(65, self.restore(archive, "large")).err)

    def test_one_conversation_of_three_processors_moves_between_them(self):
        broker = self.broker()
        here = self.daemon("desk", broker)
        narrow = self.board(broker, sections=self.LIMITS)
        boards = [here, narrow]
        self.assertTrue((TOP / ".build/cross-trixie/release/culverd").exists(), "make cross BOARD=trixie comes first")
        self.BOARD, self.QEMU = "trixie", "qemu-aarch64-static"
        self.programs = self.programs.with_name("programs-64")
        self.make_programs()
        boards.append(self.daemon("wide", broker, programs=self.programs))
        for sender in boards:
            for receiver in boards:
                if sender is not receiver:
                    self.succeeds(sender.tool("send", receiver.did, f"from {sender.name}", "--wait", "delivered", timeout=240))
        # Each goes on where another processor restores it.
        moved = []
        for board, other in zip(boards, boards[1:] + boards[:1]):
            archive = self.directory / f"{board.name}.tar"
            self.succeeds(board.tool("backup", "--final", str(archive), timeout=120))
            board.stop()
            next_one = self.daemon(f"{board.name}-moved", broker, begin=False, programs=other.programs)
            self.succeeds(tool("restore", str(archive), "--state", str(next_one.state), programs=other.programs, timeout=120))
            next_one.start()
            self.assertEqual(next_one.did, board.did)
            self.assertEqual(sorted(next_one.texts()), sorted(f"from {sender.name}" for sender in boards if sender is not board))
            moved.append(next_one)
        for sender, receiver in zip(moved, moved[1:] + moved[:1]):
            self.succeeds(sender.tool("send", receiver.did, "moved", "--wait", "delivered", timeout=240))
            self.assertIn("moved", receiver.texts())


if __name__ == "__main__":
    unittest.main()
