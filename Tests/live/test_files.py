"""Files between boards: inside a message, and in pieces beside it."""

import base64
import os
import unittest

from harness import Refused, Story, eventually

HASTE = "[delivery]\nreceipt_timeout = 2s"


class Inline(Story):
    def setUp(self):
        super().setUp()
        self.mosquitto = self.broker()
        self.left = self.daemon("left", self.mosquitto, sections=HASTE)
        self.right = self.daemon("right", self.mosquitto, sections=HASTE)

    def file(self, name: str, data: bytes) -> str:
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def sent(self, path: str, *options: str) -> dict:
        self.succeeds(self.left.tool("send", self.right.did, "--file", path, "--wait", "delivered", *options))
        return self.right.call("file.list")["files"][-1]

    def test_a_small_file_comes_as_it_is(self):
        data = os.urandom(60_000)
        row = self.sent(self.file("soil.png", data), "Look at the leaves.")
        self.assertEqual((row["filename"], row["size"], row["state"], row["type"]), ("soil.png", 60_000, "whole", 18))
        content = self.right.inbox()[-1]["content"]
        self.assertEqual((content["text"], base64.b64decode(content["data"])), ("Look at the leaves.", data))
        place = self.directory / "in"
        place.mkdir()
        for name in ["soil.png", "soil (2).png", "soil (3).png"]:
            fetched = self.succeeds(self.right.tool("file", "fetch", row["id"], "--to", str(place)))
            self.assertEqual(fetched.out, f"{place}/{name}\n")
            self.assertEqual((place / name).read_bytes(), data)
        self.assertEqual(sorted(path.name for path in place.iterdir()), ["soil (2).png", "soil (3).png", "soil.png"])
        listed = self.succeeds(self.right.tool("file", "list")).out
        self.assertIn("58.6 KiB", listed)
        self.assertIn("soil.png", self.succeeds(self.right.tool("file", "show", row["id"])).out)
        self.fails(65, self.right.tool("file", "drop", row["id"]))

    def test_an_empty_file_and_a_picture_that_stands_for_another(self):
        self.assertEqual(self.sent(self.file("empty", b""))["size"], 0)
        small = self.file("small.jpg", b"small")
        self.sent(self.file("film.mp4", b"film"), "--thumbnail", small)
        content = self.right.inbox()[-1]["content"]
        self.assertEqual((content["type"], content["snapshot"]), (22, base64.b64encode(b"small").decode()))
        large = self.file("large.jpg", bytes(40_000))
        self.fails(64, self.left.tool("send", self.right.did, "--file", small, "--thumbnail", large))
        self.fails(65, self.left.tool("send", self.right.did, "--file", self.file("a.txt", b"a"), "--thumbnail", small))

    def test_a_name_leads_nowhere(self):
        with self.left.control() as control:
            offer = control.call("file.offer", to=self.right.did, name="../../etc/.passwd\n", size=4)
            accepted = control.call("file.put", file=offer["file"], offset=0, data=base64.b64encode(b"root").decode())
        self.left.reaches(accepted["id"], "delivered")
        # What a peer writes, whoever it is.
        content = {"type": 16, "filename": "/tmp/../x/..", "data": base64.b64encode(b"y").decode()}
        self.left.call("message.send", to=self.right.did, content=content)
        rows = eventually(lambda: len(self.right.call("file.list")["files"]) == 2 and self.right.call("file.list")["files"])
        self.assertEqual([row["filename"] for row in rows], ["passwd", "file"])

    def test_pieces_come_in_their_order_from_who_offered(self):
        with self.left.control() as control, self.left.control() as other:
            offer = control.call("file.offer", to=self.right.did, name="a", size=6)
            self.assertEqual(offer["offset"], 0)
            data = base64.b64encode(b"abc").decode()
            for connection, wrong in [
                (other, {"offset": 0}), (control, {"offset": 1}), (control, {"offset": 0, "data": "?"}),
                (control, {"offset": 0, "data": base64.b64encode(b"abcdefg").decode()}),
            ]:
                with self.assertRaises(Refused):
                    connection.call("file.put", **{"file": offer["file"], "data": data, **wrong})
            self.assertEqual(control.call("file.put", file=offer["file"], offset=0, data=data)["offset"], 3)
            accepted = control.call("file.put", file=offer["file"], offset=3, data=data)
        self.left.reaches(accepted["id"], "delivered")
        row = self.right.call("file.list")["files"][-1]
        self.assertEqual(base64.b64decode(self.right.call("file.get", id=row["id"], offset=2)["data"]), b"cabc")
        with self.left.control() as control:
            for number in range(33):
                try:
                    control.call("file.offer", to=self.right.did, name="a", size=6)
                except Refused as refused:
                    self.assertEqual((number, refused.reason), (32, "too-many-files"))


if __name__ == "__main__":
    unittest.main()
