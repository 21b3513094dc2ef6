"""Nothing lost, nothing twice, while the nodes of a NATS cluster are killed and cut off: some rounds of clusters.py.

More, and RabbitMQ: `make clusters ROUNDS=…`; docs/brokers.md has the figures of a hundred.
"""

import pathlib
import re
import subprocess
import sys
import unittest

import network

HERE = pathlib.Path(__file__).resolve().parent


@unittest.skipUnless(network.may_be_apart(), "machines of their own take namespaces")
class Clusters(unittest.TestCase):
    def test_what_was_accepted_arrives_once_whatever_node_dies(self):
        self.play("nats", rounds=3)

    def play(self, kind: str, rounds: int) -> None:
        command = [sys.executable, str(HERE / "clusters.py"), "--kind", kind, "--rounds", str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1100)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = re.search(rf"{rounds} rounds, .*accepted (\d+), delivered (\d+), lost 0, doubled 0, kills (\d+)", done.stdout)
        self.assertIsNotNone(found, done.stdout)
        accepted, delivered, kills = (int(number) for number in found.groups())
        self.assertEqual(delivered, accepted)
        self.assertGreater(accepted, 40 * rounds)
        self.assertEqual(kills, 2 * rounds)
        self.assertRegex(done.stdout, r"kill: \d+ times; a receipt after")


if __name__ == "__main__":
    unittest.main()
