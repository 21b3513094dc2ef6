"""A fleet comes back after a power cut, and what that costs each board is the same for few and for many.

A short form of `make fleet AGENTS=200`; docs/fleet.md has its figures.
"""

import unittest

import faults
import storm


class Storm(unittest.TestCase):
    def test_what_each_board_costs_does_not_grow_with_the_fleet(self):
        faults.choose_programs()
        few, many = (storm.measure(count, "mosquitto") for count in (4, 16))
        for name, value in storm.flatness(few, many).items():
            self.assertLess(value, storm.GOAL, name)
        # Its three cards go there and come back, and each of its contacts says once that it is there.
        self.assertLessEqual(many["publications for each"], 6 + many["contacts of each"])
        self.assertLess(many["connections for each"], 1.5)


if __name__ == "__main__":
    unittest.main()
