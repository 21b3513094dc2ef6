"""What culver and a stock DIMP peer must be able to do with each other, whatever the generation of the peer."""

from harness import Daemon, Peer, Story, eventually

TEXTS = ["hello", "你好, wörld 🌍", "a NUL \0 inside", "x" * 65536, "", "the last one"]
# Before a first message an agent waits up to 30 s for a visa that the peer may not have published.
LONG = 120.0


class WithStock:
    """Mixed into a Story by the files that name a generation."""

    GENERATION: str
    OPTIONS: list[str] = []
    # Where a message to the peer ends: bare libraries answer nothing that a receipt could be.
    ENDS = ["published", "delivered"]

    def begin(self: Story) -> tuple[Daemon, Peer]:
        broker = self.broker()
        return self.daemon("board", broker), self.peer(self.GENERATION, broker, "--name", "stock", *self.OPTIONS)

    def published(self, peer: Peer) -> None:
        peer.command("publish-card")
        peer.event("published-card")

    def check_from_board(self, board: Daemon, peer: Peer, text: str) -> dict:
        message = board.call("message.send", to=peer.did, text=text)["id"]
        event = peer.text(text, LONG)
        self.assertEqual(event["sender"], board.did)
        self.assertEqual(event["content"]["text"], text)
        self.assertIs(event["signature_ok"], True)
        board.reaches(message, *self.ENDS)
        return event

    def check_to_board(self, board: Daemon, peer: Peer, text: str, attach: bool = False) -> None:
        before = len(board.inbox())
        serial = peer.send(board.did, text, attach=attach)[0]["sn"]
        eventually(lambda: len(board.inbox()) > before, LONG, f"the arrival of {text[:40]!r}")
        row = board.inbox()[-1]
        self.assertEqual(row["content"]["text"], text)
        self.assertEqual(row["content"]["sn"], serial)
        self.assertEqual(row["sender"], peer.did)
        self.assertIs(row["encrypted"], True)
        self.assertIs(row["sealed"], False)

    def test_the_board_speaks_first_and_finds_the_card_on_the_broker(self):
        board, peer = self.begin()
        self.published(peer)
        event = self.check_from_board(board, peer, TEXTS[0])
        # The peer knew nothing of the board: the message itself brought what it needed.
        self.assertIn("meta", event["attached"])
        for text in TEXTS[1:]:
            self.check_from_board(board, peer, text)

    def test_the_peer_speaks_first_with_its_card_attached(self):
        board, peer = self.begin()
        peer.learn(board.did)
        self.check_to_board(board, peer, TEXTS[0], attach=True)
        for text in TEXTS[1:]:
            self.check_to_board(board, peer, text)
        # Nothing of the peer is on the broker, so the board answers by what was attached.
        self.check_from_board(board, peer, "an answer")

    def test_the_peer_speaks_first_and_its_card_is_on_the_broker(self):
        board, peer = self.begin()
        self.published(peer)
        peer.learn(board.did)
        for text in TEXTS:
            self.check_to_board(board, peer, text)
        self.check_from_board(board, peer, "an answer")

    def test_many_messages_cross(self):
        board, peer = self.begin()
        self.published(peer)
        peer.learn(board.did)
        peer.send(board.did, "first", attach=True)
        eventually(lambda: board.texts() == ["first"], LONG, "the first message")
        sent = []
        for number in range(1, 51):
            sent.append(board.call("message.send", to=peer.did, text=f"board {number}")["id"])
            if number == 1:  # now the peer is a contact, and no longer bound by what strangers may do
                peer.command("send", to=board.did, text="peer", repeat=50)
        expected = sorted(f"board {number}" for number in range(1, 51))
        events = []
        while len(events) < 50:
            event = peer.event("message", LONG)
            self.assertIs(event["signature_ok"], True)
            if "command" not in event["content"]:  # a receipt has a text, too
                events.append(event["content"]["text"])
        self.assertEqual(sorted(events), expected)
        wanted = sorted(["first"] + [f"peer {number}" for number in range(1, 51)])
        eventually(lambda: len(board.inbox()) >= len(wanted), LONG, "fifty messages of the peer")
        self.assertEqual(sorted(board.texts()), wanted)
        for message in sent:
            board.reaches(message, *self.ENDS)
