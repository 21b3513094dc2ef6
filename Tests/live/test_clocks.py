"""Boards whose clock is wrong: one that woke up in 1970, one whose clock jumps a year either way.

From issue 3 and extensions.md 6. The clock of a daemon is made wrong by wrong_clock.c, which is loaded into it;
the machine's own is not touched.
"""

import shutil
import struct
import subprocess
import time
import unittest

from harness import HERE, Story, eventually, rows

DELIVERY = "[delivery]\nreceipt_timeout = 2s"
YEAR = 365 * 86_400


class Clocks(Story):
    def setUp(self):
        super().setUp()
        self.library = self.directory / "wrong_clock.so"
        compiler = shutil.which("cc") or shutil.which("clang") or "gcc"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(self.library), str(HERE / "wrong_clock.c")]
        subprocess.run(command, check=True)

    def set_clock(self, board, offset: float) -> None:
        """Seconds beside the right time, from now on."""
        path = self.directory / f"{board.name}.clock"
        with open(path, "r+b" if path.exists() else "wb") as file:
            file.write(struct.pack("q", int(offset)))

    def board(self, name: str, broker, offset: float):
        board = self.daemon(name, broker, sections=DELIVERY, begin=False)
        self.set_clock(board, offset)
        board.environment.update(
            {"LD_PRELOAD": str(self.library), "WRONG_CLOCK": str(self.directory / f"{name}.clock")})
        board.start()
        return board

    def test_a_board_in_1970_writes_and_is_written_to(self):
        broker = self.broker()
        left = self.board("left", broker, 30 - time.time())
        right = self.daemon("right", broker, sections=DELIVERY)
        right.call("contact.add", did=left.did)
        self.assertIn("clock-unset", [row.get("reason") for row in rows(left.call("event.list", limit=100))])
        self.succeeds(left.tool("send", right.did, "no time", "--wait", "delivered"))
        self.succeeds(right.tool("send", left.did, "nor here", "--wait", "delivered"))
        left.kill()
        left.start()
        self.succeeds(left.tool("send", right.did, "still none", "--wait", "delivered"))
        # Somebody sets it while we run.
        self.set_clock(left, 0)
        self.succeeds(left.tool("send", right.did, "now", "--wait", "delivered"))
        self.succeeds(right.tool("send", left.did, "and here", "--wait", "delivered"))
        self.assertEqual(right.texts(), ["no time", "still none", "now"])
        self.assertEqual(left.texts(), ["nor here", "and here"])
        shown = {row["content"]["text"]: row["time"] for row in rows(right.call("inbox.list", start=0))}
        self.assertLess(abs(shown["now"] - time.time()), 3600)

    def test_a_clock_that_jumps_a_year_either_way_ends_nothing_and_doubles_nothing(self):
        broker = self.broker()
        left = self.board("left", broker, 0)
        right = self.daemon("right", broker, sections=DELIVERY)
        right.call("contact.add", did=left.did)
        self.succeeds(left.tool("send", right.did, "first", "--wait", "delivered"))
        right.stop()
        sent = [left.call("message.send", to=right.did, text=f"away {number}")["id"] for number in range(3)]
        for offset in (YEAR, -YEAR, 0):
            self.set_clock(left, offset)
            left.kill()
            left.start()
            states = {left.call("message.show", id=name)["state"] for name in sent}
            self.assertLessEqual(states, {"queued", "published"})
        right.start()
        eventually(
            lambda: all(left.call("message.show", id=name)["state"] == "delivered" for name in sent), 120, "all of them")
        # What the other sends is not taken for old by a board that was ahead, nor is a repeat taken twice.
        self.succeeds(right.tool("send", left.did, "back", "--wait", "delivered"))
        self.assertEqual(left.texts(), ["back"])
        self.assertEqual(right.texts(), ["first", "away 0", "away 1", "away 2"])


if __name__ == "__main__":
    unittest.main()
