"""What messages are about, JSON in them, and messages that nobody wants any more or that no program can handle.

From culver(1) and culver-protocol(7): `--subject`, `--data`, `--expiry`, `--tries`.
"""

import json
import unittest

from harness import Refused, Story, eventually

DATA = 65


class TwoBoards(Story):
    def setUp(self):
        super().setUp()
        broker = self.broker()
        self.porch, self.hub = self.daemon("porch", broker), self.daemon("hub", broker)
        self.hub.call("contact.add", did=self.porch.did, name="porch")

    def send(self, *arguments: str) -> str:
        sent = self.succeeds(
            self.porch.tool("send", self.hub.did, *arguments, "--wait", "delivered"))
        return sent.out.strip()

    def test_a_consumer_takes_what_it_is_interested_in(self):
        self.send("hello")
        self.send("--data", '{"moisture": 0.31, "at": [1, null]}', "--subject", "garden/soil")
        self.send("wet", "--subject", "garden/air")
        taken = self.succeeds(
            self.hub.tool(
                "inbox", "--consumer", "soil", "--subject", "+/soil", "--exec",
                'printf "%s|%s|%s\\n" "$CULVER_SUBJECT" "$CULVER_DATA" "$CULVER_TEXT"'))
        self.assertEqual(len(taken.out.splitlines()), 1)
        subject, data, text = taken.out.strip().split("|")
        self.assertEqual(subject, "garden/soil")
        self.assertEqual(json.loads(data), {"moisture": 0.31, "at": [1, None]})
        self.assertEqual(json.loads(text), json.loads(data))
        listed = self.succeeds(self.hub.tool("inbox", "--subject", "garden/#", "--json")).out.splitlines()
        rows = [json.loads(line) for line in listed]
        self.assertEqual([row["subject"] for row in rows], ["garden/soil", "garden/air"])
        self.assertEqual(rows[0]["data"], {"moisture": 0.31, "at": [1, None]})
        self.assertEqual(rows[0]["content"]["mod"], "data")
        self.assertNotIn("data", rows[1])
        self.assertIn("garden/air: wet", self.succeeds(self.hub.tool("inbox")).out)
        plain = self.hub.tool(
            "inbox", "--consumer", "all", "--count", "1", "--exec", 'echo "${CULVER_SUBJECT-none} ${CULVER_DATA-none}"')
        self.assertEqual(self.succeeds(plain).out, "none none\n")

    def test_bad_subjects_are_refused_and_those_of_peers_are_none(self):
        for bad in ("a/+", "#", "", "x" * 257):
            refused = self.porch.tool("send", self.hub.did, "hello", "--subject", bad, "--json")
            self.assertEqual((refused.code, refused.json["error"]["data"]["reason"]), (DATA, "bad-subject"), bad)
        self.fails(DATA, self.porch.tool("send", self.hub.did, "--data", "{no", "--subject", "a"))
        with self.assertRaises(Refused) as refused:
            self.hub.call("inbox.list", subject="a#")
        self.assertEqual(refused.exception.reason, "bad-subject")
        with self.assertRaises(Refused) as refused:
            self.porch.call("message.send", to=self.hub.did, content={"type": 1, "text": "x", "subject": 7})
        self.assertEqual(refused.exception.reason, "bad-subject")

    def test_what_its_sender_gave_up_no_later_consumer_gets(self):
        self.send("too late", "--expiry", "3s")
        self.send("for long", "--expiry", "1h")
        self.send("for ever")
        first = self.succeeds(self.hub.tool("inbox", "--consumer", "early", "--json"))
        self.assertEqual(len(first.out.splitlines()), 3)
        given_up = json.loads(first.out.splitlines()[0])["expires"]
        eventually(lambda: self.hub.call("status")["clock"]["time"] > given_up + 1, what="the end of the message")
        later = self.succeeds(self.hub.tool("inbox", "--consumer", "later", "--ack", "--json"))
        self.assertEqual([json.loads(line)["content"]["text"] for line in later.out.splitlines()], ["for long", "for ever"])
        # To look is no taking.
        self.assertEqual(len(self.succeeds(self.hub.tool("inbox", "--json")).out.splitlines()), 3)

    def test_a_message_at_which_a_program_fails_is_set_aside_and_the_next_one_comes(self):
        for text in ("good", "poison", "after"):
            self.send(text)
        command = 'echo "$CULVER_TEXT"; test "$CULVER_TEXT" != poison'
        arguments = ("inbox", "--consumer", "c", "--exec", command)
        stopped = self.hub.tool(*arguments)
        self.assertEqual((stopped.code, stopped.out), (1, "good\npoison\n"))
        # One try, ended before the second; the daemon, and another daemon after it, has it counted.
        once = self.hub.tool(*arguments, "--tries", "2", "--timeout", "1s")
        self.assertEqual((once.code, once.out), (1, "poison\n"))
        self.hub.kill()
        self.hub.start()
        went_on = self.succeeds(self.hub.tool(*arguments, "--tries", "2"))
        self.assertEqual(went_on.out, "poison\nafter\n")
        self.assertIn("is set aside after 2 tries", went_on.err)
        events = self.hub.call("event.list", kind="inbox")["events"]
        self.assertEqual([event["reason"] for event in events], ["handler-failed"])
        self.assertEqual(events[0]["did"], self.porch.did)
        self.assertEqual(self.succeeds(self.hub.tool(*arguments)).out, "")


if __name__ == "__main__":
    unittest.main()
