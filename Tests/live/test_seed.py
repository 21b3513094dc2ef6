"""The seed's own words: register a user named moki, send "Hello world!" to hulk, read it back as hulk.

hulk and moki are the identities that DIMP published in 2019, private keys included; the vectors hold them.
"""

import json
import os
import unittest

from harness import VECTORS, Daemon, Story, address_of, tool

HULK = "hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"
MOKI = "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"


def published(name: str) -> tuple[dict, dict]:
    """The published meta and private key of moki or hulk."""
    other = {"moki": "hulk", "hulk": "moki"}[name]
    sent = json.loads((VECTORS / f"message/published-{name}-to-{other}.json").read_text())
    received = json.loads((VECTORS / f"message/published-{other}-to-{name}.json").read_text())
    return sent["sender"]["meta"], received["receiver"]["keys"][0]


class TheSeed(Story):
    def write(self, path, value: dict, mode: int = 0o600) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
        path.chmod(mode)

    def adopt(self, state, did: str) -> None:
        """Puts a published identity into a state directory, by hand, in DIMP's own form."""
        meta, key = published(did.split("@")[0])
        home = state / "identities" / address_of(did)
        state.mkdir(mode=0o700, exist_ok=True)
        self.write(home / "meta.json", meta)
        self.write(home / "secret.json", key)

    def befriend(self, state, did: str) -> None:
        """Puts a published meta among the contacts."""
        state.mkdir(mode=0o700, exist_ok=True)
        self.write(state / "contacts" / address_of(did) / "meta.json", published(did.split("@")[0])[0])

    def run_tool(self, *arguments: str, **options):
        return self.succeeds(tool(*arguments, home=self.directory, **options))

    def test_moki_writes_to_hulk_without_a_daemon(self):
        mine, his = self.directory / "mine", self.directory / "his"
        self.adopt(mine, MOKI)
        self.befriend(mine, HULK)
        self.adopt(his, HULK)
        wire = self.run_tool(
            "--state", str(mine), "pack", "--from", MOKI, "--to", HULK, "--text", "Hello world!", "--attach"
        ).out
        message = json.loads(wire)
        self.assertEqual((message["sender"], message["receiver"]), (MOKI, HULK))
        self.assertNotIn("Hello", wire)

        opened = self.run_tool("--state", str(his), "open", "-", "--json", input=wire).json
        self.assertEqual(opened["sender"], MOKI)
        self.assertEqual(opened["receiver"], HULK)
        self.assertEqual(opened["content"]["text"], "Hello world!")
        self.assertIs(opened["encrypted"], True)
        self.assertIn("meta", opened["attached"])

    def test_a_new_moki_writes_to_hulk_without_a_daemon(self):
        mine, his = self.directory / "mine", self.directory / "his"
        self.run_tool("--state", str(mine), "id", "new", "moki")
        self.befriend(mine, HULK)
        self.adopt(his, HULK)
        wire = self.run_tool(
            "--state", str(mine), "pack", "--from", "moki", "--to", HULK, "--text", "Hello world!", "--attach"
        ).out
        (self.directory / "message.json").write_text(wire)
        opened = self.run_tool("--state", str(his), "open", str(self.directory / "message.json"), "--json").json
        self.assertEqual(opened["content"]["text"], "Hello world!")
        self.assertTrue(opened["sender"].startswith("moki@"))

    def test_the_recorded_message_of_2019_is_read(self):
        his = self.directory / "his"
        self.adopt(his, HULK)
        vector = json.loads((VECTORS / "message/published-moki-to-hulk.json").read_text())
        refused = tool("--state", str(his), "open", "-", "--json", input=vector["wire"], home=self.directory)
        self.assertEqual(refused.code, 65, refused)  # moki's meta is not attached, and not known yet
        self.assertEqual(refused.json["refused"], "meta")
        self.befriend(his, MOKI)
        opened = self.run_tool("--state", str(his), "open", "-", "--json", input=vector["wire"]).json
        self.assertEqual(opened["content"]["text"], "Hello world!")

    def test_a_changed_message_is_refused_with_its_stage(self):
        his = self.directory / "his"
        self.adopt(his, HULK)
        self.befriend(his, MOKI)
        message = json.loads((VECTORS / "message/published-moki-to-hulk.json").read_text())["message"]
        message["signature"] = ("A" if message["signature"][0] != "A" else "B") + message["signature"][1:]
        refused = tool("--state", str(his), "open", "-", "--json", input=json.dumps(message), home=self.directory)
        self.assertEqual(refused.code, 65, refused)
        self.assertEqual(refused.json["refused"], "signature")
        refused = tool("--state", str(his), "open", "-", "--json", input="{\"sender\":", home=self.directory)
        self.assertEqual(refused.code, 65, refused)
        self.assertEqual(refused.json["refused"], "parse")

    def test_the_stock_software_of_2019_is_hulk(self):
        broker = self.broker()
        board = self.daemon("moki", broker)
        self.assertTrue(board.did.startswith("moki@"))
        hulk = self.peer("0.4", broker, "--published", "hulk", "--vectors", str(VECTORS))
        hulk.command("publish-card")
        hulk.event("published-card")
        self.succeeds(board.tool("send", HULK, "Hello world!"))
        event = hulk.text("Hello world!", 120)
        self.assertEqual(event["sender"], board.did)
        self.assertIs(event["signature_ok"], True)

    def test_two_daemons_are_moki_and_hulk(self):
        broker = self.broker()
        boards = {}
        for did in (MOKI, HULK):
            board = self.daemon(did.split("@")[0], broker, begin=False)
            self.adopt(board.state, did)
            board.start()
            self.assertEqual(board.did, did)
            boards[did] = board
        self.succeeds(boards[MOKI].tool("send", HULK, "Hello world!", "--wait", "delivered", timeout=120))
        self.assertEqual(boards[HULK].texts(), ["Hello world!"])
        self.assertEqual(boards[HULK].inbox()[0]["sender"], MOKI)

    def test_a_private_key_that_others_can_read_stops_the_start(self):
        board = Daemon(self.directory, "careless", "mqtt://127.0.0.1:1", begin=False)
        self.adopt(board.state, HULK)
        secret = board.state / "identities" / address_of(HULK) / "secret.json"
        os.chmod(secret, 0o644)
        with self.assertRaises(AssertionError):
            board.start()
        board.stop()
        self.assertIn(board.process.returncode, (77, 78))
        self.assertIn("chmod", board.log)


if __name__ == "__main__":
    unittest.main()
