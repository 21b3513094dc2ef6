"""A repository is carried to a board, whose release may have other tools for signatures than this machine's.

From issue 13: "a directory that any web server or SD card can carry".
"""

import unittest

from test_repository import Carried, Installing


class Trixie(Carried, Installing):
    BOARD = "trixie"


if __name__ == "__main__":
    unittest.main()
