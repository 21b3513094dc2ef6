"""What `culver status` says of each peer: sent, receipted, pending and since when, gaps.

From issue 3: "`culver status` saying per peer: sent, receipted, pending, oldest age, gaps".
"""

import time
import unittest

from harness import Story


class Status(Story):
    def peer_row(self, board, peer) -> dict:
        found = [row for row in board.call("status")["peers"] if row["did"] == peer.did]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_each_peer_is_counted_across_restarts(self):
        broker = self.broker()
        board, porch, shed = (self.daemon(name, broker) for name in ("board", "porch", "shed"))
        self.assertEqual(board.call("status")["peers"], [])
        for text in ("one", "two"):
            self.succeeds(board.tool("send", porch.did, text, "--wait", "delivered"))
        self.succeeds(board.tool("contact", "rename", porch.did, "porch"))
        self.succeeds(board.tool("send", shed.did, "one", "--wait", "delivered"))
        shed.stop()
        before = time.time()
        waiting = [self.succeeds(board.tool("send", shed.did, text)).out.strip() for text in ("two", "three")]

        status = board.call("status")
        self.assertNotIn("further_peers", status)
        self.assertEqual([row["did"] for row in status["peers"]], [shed.did, porch.did])
        first = status["peers"][0]
        self.assertAlmostEqual(first.pop("oldest"), before, delta=60)
        self.assertEqual(first, {"did": shed.did, "sent": 3, "receipted": 1, "pending": 2, "gaps": 0})
        self.assertEqual(
            status["peers"][1],
            {"did": porch.did, "name": "porch", "sent": 2, "receipted": 2, "pending": 0, "gaps": 0},
        )
        self.assertRegex(self.succeeds(board.tool()).out, r"shed@\S+: 3 sent, 1 receipted, 2 pending for ")

        self.succeeds(board.tool("message", "cancel", waiting[1]))
        board.kill()
        board.start()
        shed.start()
        board.reaches(waiting[0], "delivered", patience=120)
        row = self.peer_row(board, shed)
        self.assertEqual(row, {"did": shed.did, "sent": 3, "receipted": 2, "pending": 0, "gaps": 0})


if __name__ == "__main__":
    unittest.main()
