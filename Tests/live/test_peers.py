"""The stock peers among themselves: what proves that a failure of ours is ours."""

import unittest

from harness import Story

TEXTS = ["hello", "", "你好, wörld 🌍", "with NUL \0 and a tab \t", "x" * 65536]


class StockPeersAmongThemselves(Story):
    def converse(self, generation: str, *options: str) -> None:
        broker = self.broker()
        left = self.peer(generation, broker, "--name", "left", *options)
        right = self.peer(generation, broker, "--name", "right", *options)
        right.command("publish-card")
        right.event("published-card")
        left.command("learn", did=right.did)
        # The old stack cannot try its second key on what was sealed for another,
        # so nothing is sent before the profile is known.
        has_visa = generation != "0.4" or "--profile" in options
        left.event("learnt", did=right.did, visa=has_visa)
        for number, text in enumerate(TEXTS):
            left.send(right.did, text, attach=number == 0)
            event = right.event("message")
            self.assertEqual(event["content"]["text"], text)
            self.assertEqual(event["sender"], left.did)
            self.assertIs(event["signature_ok"], True)
        right.send(left.did, "and back", repeat=3)
        for number in (1, 2, 3):
            left.text(f"and back {number}")

    def test_two_of_2026_talk_with_short_names(self):
        self.converse("2.4")

    def test_two_of_2026_talk_with_full_names(self):
        self.converse("2.4", "--full-names")

    def test_two_of_2019_talk(self):
        self.converse("0.4")

    def test_two_of_2019_talk_with_profiles(self):
        self.converse("0.4", "--profile")

    def test_two_applications_of_today_talk(self):
        self.converse("2.5")

    def test_a_stranger_is_parked_until_its_card_is_found(self):
        broker = self.broker()
        left, right = self.peer("2.4", broker), self.peer("2.4", broker)
        right.command("publish-card")
        left.learn(right.did)
        left.send(right.did, "who am I?")
        right.event("parked", sender=left.did)
        left.command("publish-card")
        self.assertIs(right.text("who am I?")["signature_ok"], True)

    def test_a_damaged_signature_is_told(self):
        broker = self.broker()
        left, right = self.peer("2.4", broker, "--full-names"), self.peer("2.4", broker, "--full-names")
        right.command("publish-card")
        left.learn(right.did)
        wire = left.send(right.did, "true words", attach=True)[0]["wire"]
        self.assertIs(right.text("true words")["signature_ok"], True)
        start = wire.index('"signature": "') + len('"signature": "')
        other = "A" if wire[start] != "A" else "B"
        right.command("open", wire=wire[:start] + other + wire[start + 1 :])
        self.assertIs(right.text("true words")["signature_ok"], False)

    def test_hulk_reads_moki(self):
        from harness import VECTORS

        broker = self.broker()
        moki, hulk = (
            self.peer("0.4", broker, "--published", name, "--vectors", str(VECTORS)) for name in ("moki", "hulk")
        )
        self.assertEqual(hulk.did, "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj")
        hulk.command("publish-card")
        moki.command("learn", did=hulk.did)
        moki.event("learnt")
        moki.send(hulk.did, "Hello world!", attach=True)
        self.assertIs(hulk.text("Hello world!")["signature_ok"], True)


if __name__ == "__main__":
    unittest.main()
