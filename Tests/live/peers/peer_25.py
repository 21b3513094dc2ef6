"""A DIMP application of today: the client classes of dimples 2.1.1 over the 2.5 stack. The protocol of the pipes is in
postbox.py.

The packages do everything that an application does with a message: they keep metas and documents in files, decide what
is answered, and write receipts. This file gives them a postbox where they expect a station.
"""

import asyncio
import logging
import pathlib
import sys
import tempfile

from postbox import Person, Postbox, arguments

# dimples prints what it does, and standard output is for events.
sys.stdout = sys.stderr
logging.disable(logging.CRITICAL)

from dimap import AsymmetricAlgorithms
from dimax import BaseVisa, TextContent
from dimax.protocol import MetaType
from dimples.client import ClientArchivist, ClientChecker, ClientFacebook, ClientMessagePacker
from dimples.client import ClientMessageProcessor, ClientMessenger
from dimples.client.compat import ClientLibraryLoader
from dimples.client.cpu import ClientContentProcessorCreator
from dimples.common.dbi import PrivateKeyDBI
from dimples.database import AccountDatabase, MessageDatabase
from dimples.database.dos.private import PrivateKeyStorage
from dimples.utils import Config
from dimsdk import BaseContentProcessor, ContentType, Document, EntityType, Envelope, ID, InstantMessage, Meta
from dimsdk import PrivateKey


class Outbox:
    """Stands where a session with a station would: what the application sends waits here for the postbox."""

    ready = True

    def __init__(self):
        self.packages = []

    async def queue_message_package(self, msg, data, priority=0):
        self.packages.append((msg.receiver, data))
        return True


class Messenger(ClientMessenger):
    outbox: Outbox

    @property
    def session(self):
        return self.outbox


class Reader(BaseContentProcessor):
    """Texts are shown, and need no answer beside the receipt."""

    async def process_content(self, content, r_msg):
        return []


class Creator(ClientContentProcessorCreator):
    def create_content_processor(self, msg_type):
        if msg_type in (ContentType.TEXT, "text"):
            return Reader(facebook=self.facebook, messenger=self.messenger)
        return super().create_content_processor(msg_type=msg_type)


class Processor(ClientMessageProcessor):
    last = None

    def _create_creator(self, facebook, messenger):
        return Creator(facebook=facebook, messenger=messenger)

    async def process_instant_message(self, msg, r_msg):
        self.last = msg.content.to_map()
        return await super().process_instant_message(msg=msg, r_msg=r_msg)


class Stock25(Person):
    def __init__(self, name: str, kind: str, terminal: str | None, directory: str):
        # Background tasks of dimples live as long as this loop, and go on whenever it runs.
        self.loop = asyncio.new_event_loop()
        config = self.run(self.begin(directory))
        self.run(self.register(name, kind, terminal, config))

    async def begin(self, directory: str) -> Config:
        file = pathlib.Path(directory) / "config.ini"
        file.write_text(f"[database]\nroot = {directory}\n")
        config = Config()
        await config.load(path=str(file))
        self.database = AccountDatabase(config=config)
        self.facebook = ClientFacebook(database=self.database)
        self.facebook.barrack = ClientArchivist(facebook=self.facebook, database=self.database)
        self.facebook.checker = ClientChecker(facebook=self.facebook, database=self.database)
        self.outbox = Outbox()
        self.messenger = Messenger(
            session=self.outbox, facebook=self.facebook, database=MessageDatabase(config=config)
        )
        self.messenger.outbox = self.outbox
        self.messenger.packer = ClientMessagePacker(facebook=self.facebook, messenger=self.messenger)
        self.processor = Processor(facebook=self.facebook, messenger=self.messenger)
        self.messenger.processor = self.processor
        self.facebook.checker.messenger = self.messenger
        return config

    async def register(self, name: str, kind: str, terminal: str | None, config: Config) -> None:
        """`kind` is what applications register, `eth`, or `mkm`: an RSA key and a name in the ID. RSA keys have the 1024
        bits that applications give them."""
        visa_key = PrivateKey.generate(algorithm=AsymmetricAlgorithms.RSA)
        if kind == "eth":
            key = PrivateKey.generate(algorithm=AsymmetricAlgorithms.ECC)
            meta = Meta.generate(version=MetaType.ETH, private_key=key)
        else:
            key = PrivateKey.generate(algorithm=AsymmetricAlgorithms.RSA)
            meta = Meta.generate(version=MetaType.MKM, private_key=key, seed=name)
        self.me = meta.generate_id(EntityType.USER)
        self.did = str(self.me)
        visa = BaseVisa()
        visa["did"] = self.did
        if terminal is not None:
            visa["terminal"] = terminal
        visa.name = name
        visa.public_key = visa_key.public_key
        assert visa.sign(private_key=key) is not None
        # Straight into the files: the table above them in 2.1.1 keeps a coroutine in the place of a visa's key.
        files = PrivateKeyStorage(config=config)
        await files.save_private_key(key=key, user=self.me, key_type=PrivateKeyDBI.META)
        await files.save_private_key(key=visa_key, user=self.me, key_type=PrivateKeyDBI.VISA)
        assert await self.facebook.archivist.save_meta(meta=meta, identifier=self.me)
        assert await self.facebook.archivist.save_document(document=visa, identifier=self.me)
        await self.facebook.set_current_user(user=await self.facebook.get_user(identifier=self.me))
        self.meta, self.visa = meta.to_map(), visa.to_map()

    def run(self, work):
        return self.loop.run_until_complete(work)

    def knows(self, did: str) -> bool:
        return self.run(self.database.get_meta(identifier=ID.parse(did))) is not None

    def meta_of(self, did: str) -> dict:
        return self.run(self.database.get_meta(identifier=ID.parse(did))).to_map()

    def learn_meta(self, did: str, meta: dict) -> None:
        parsed = Meta.parse(meta)
        if parsed is None or not self.run(self.facebook.archivist.save_meta(meta=parsed, identifier=ID.parse(did))):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        parsed = Document.parse(visa)
        archivist = self.facebook.archivist
        if parsed is None or not self.run(archivist.save_document(document=parsed, identifier=ID.parse(did))):
            raise ValueError("the visa is not signed by the ID's owner")

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        return self.run(self.packed(to, text, attach))

    async def packed(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = TextContent.create(text=text)
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=ID.parse(to)), body=content)
        secure = await self.messenger.encrypt_message(msg=instant)
        if secure is None:
            raise ValueError("no key to encrypt for " + to)
        reliable = await self.messenger.sign_message(msg=secure)
        if attach:
            reliable["meta"], reliable["visa"] = self.meta, self.visa
        return content.sn, await self.messenger.serialize_message(msg=reliable)

    def open(self, wire: bytes) -> dict:
        return self.run(self.opened(wire))

    async def opened(self, wire: bytes) -> dict:
        """The whole way of an application. Its answers wait in the outbox."""
        reliable = await self.messenger.deserialize_message(data=wire)
        if reliable is None:
            raise ValueError("seen before, or no message")
        self.processor.last = None
        for answer in await self.messenger.process_reliable_message(msg=reliable):
            self.outbox.packages.append((answer.receiver, await self.messenger.serialize_message(msg=answer)))
        if self.processor.last is None:
            raise ValueError("not taken")
        return self.processor.last

    def answers(self) -> list[tuple[str, bytes]]:
        """Questions for a station have nobody to go to."""
        packages, self.outbox.packages = self.outbox.packages, []
        return [(str(receiver), data) for receiver, data in packages if not receiver.is_broadcast]


def main() -> None:
    parser = arguments()
    parser.add_argument("--kind", choices=["eth", "mkm"], default="eth", help="the kind of the meta")
    parser.add_argument("--terminal", help="the device that the visa is for")
    options = parser.parse_args()
    ClientLibraryLoader().run()
    with tempfile.TemporaryDirectory(prefix="dimples-") as directory:
        person = Stock25(options.name, options.kind, options.terminal, directory)
        Postbox(person, options).run()


if __name__ == "__main__":
    main()
