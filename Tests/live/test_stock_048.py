"""A board and the software of the seed's days understand each other.

From issue 2: culver and dimp 0.4.8 with mkm 0.6.3 and dkd 0.4.4, both directions, text, Unicode, 64 KiB, first contact
with an attached meta and with the retained directory only. This generation checks RSA signatures itself.
"""

import unittest

from harness import Story
from stock import WithStock


class WithAMetaAlone(WithStock, Story):
    GENERATION = "0.4"


class WithAProfile(WithStock, Story):
    """The profile holds another encryption key than the meta."""

    GENERATION = "0.4"
    OPTIONS = ["--profile"]


if __name__ == "__main__":
    unittest.main()
