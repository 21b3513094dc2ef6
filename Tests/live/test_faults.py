"""Nothing lost, nothing twice, whatever is killed: 30 rounds of faults.py. More: `make faults ROUNDS=…`."""

import unittest

import faults


class Faults(unittest.TestCase):
    def test_what_was_accepted_arrives_once_whatever_dies(self):
        tally = faults.run(rounds=30)
        self.assertEqual(tally.faults, [])
        self.assertGreater(tally.accepted, 1000)
        self.assertEqual((tally.lost, tally.doubled, tally.delivered), (0, 0, tally.accepted))
        self.assertGreater(tally.agents, 60)
        self.assertGreater(tally.broker, 0)


if __name__ == "__main__":
    unittest.main()
