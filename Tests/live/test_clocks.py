"""Real daemons whose wall clock is wrong, or jumps while they run (issue 3)."""

import mmap
import struct
import subprocess
import time
import unittest

from harness import HERE, Daemon, Story, rows

YEAR = 365 * 86_400


class Clocks(Story):
    def wrong(self, name: str, broker, error: int) -> tuple[Daemon, mmap.mmap]:
        """A daemon whose clock is wrong by `error` seconds, and the number to change it by."""
        library, control = self.directory / "wrong_clock.so", self.directory / f"{name}-clock"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "wrong_clock.c"], check=True)
        control.write_bytes(struct.pack("=q", error))
        daemon = self.daemon(name, broker, begin=False)
        daemon.environment = {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(control)}
        daemon.start()
        with open(control, "r+b") as file:
            memory = mmap.mmap(file.fileno(), 8)
        self.addCleanup(memory.close)
        return daemon, memory

    def deliver(self, sender: Daemon, receiver: Daemon, text: str) -> None:
        self.succeeds(sender.tool("send", receiver.did, text, "--wait", "delivered", timeout=60))

    def test_a_board_in_1970_sends_and_receives_and_says_that_its_clock_is_not_set(self):
        broker = self.broker()
        board, clock = self.wrong("early", broker, -int(time.time()))
        peer = self.daemon("peer", broker)
        self.deliver(board, peer, "from 1970")
        self.deliver(peer, board, "to 1970")
        reasons = [event.get("reason") for event in rows(board.call("event.list", kind="clock", limit=100))]
        self.assertEqual(reasons, ["clock-unset"])
        clock[:8] = struct.pack("=q", 0)
        self.deliver(board, peer, "set")
        self.assertEqual((peer.texts(), board.texts()), (["from 1970", "set"], ["to 1970"]))

    def test_a_jump_by_a_year_and_back_neither_expires_nor_doubles_what_waits(self):
        broker = self.broker()
        board, clock = self.wrong("jumper", broker, 0)
        peer = self.daemon("peer", broker)
        self.deliver(board, peer, "before")
        peer.stop()
        sent = board.call("message.send", to=peer.did, text="waits")["id"]
        for error in (YEAR, -YEAR, 0):
            clock[:8] = struct.pack("=q", error)
            time.sleep(1)
            self.assertNotIn(board.message(sent)["state"], ("expired", "failed", "delivered"))
        peer.start()
        board.reaches(sent, "delivered", patience=60)
        self.assertEqual(peer.texts(), ["before", "waits"])


if __name__ == "__main__":
    unittest.main()
