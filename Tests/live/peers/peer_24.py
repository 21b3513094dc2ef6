"""A stock DIMP peer of 2026: dimp, dimsdk, dimplugins, mkm and dkd 2.4.3. The protocol of the pipes is in postbox.py.

The packages do all the packing; this file gives them a memory to keep metas, visas and keys in.
"""

import asyncio

from dimplugins import ExtensionLoader, PluginLoader
from dimplugins.crypto.rsa import RSAPrivateKey
from dimsdk import ID, BaseTextContent, Envelope, Facebook, InstantMessage, MessagePacker, Messenger, Meta, MetaType
from dimsdk import BaseUser, Content, Document, PrivateKey, SymmetricKey
from dimsdk.core import Archivist, Barrack, CipherKeyDelegate, MessageCompressor, MessageShortener
from dimp.mkm import BaseBulletin, BaseVisa

from bare import BareGroups, bridged, named, split
from postbox import Postbox, arguments, device_arguments, shared_key


class Memory(Barrack, Archivist, CipherKeyDelegate):
    """Users, metas, visas and symmetric keys of one process."""

    def __init__(self, facebook):
        self.facebook = facebook
        self.users, self.metas, self.visas, self.cipher_keys = {}, {}, {}, {}
        self.local = []

    def cache_user(self, user):
        user.data_source = self.facebook
        self.users[user.identifier] = user

    def cache_group(self, group):
        raise NotImplementedError

    def get_user(self, identifier):
        return self.users.get(identifier)

    def get_group(self, identifier):
        return None

    def create_user(self, identifier):
        return BaseUser(identifier=identifier)

    def create_group(self, identifier):
        return None

    async def save_meta(self, meta, identifier):
        address = meta.generate_address(network=identifier.address.network)
        if not meta.is_valid or address != identifier.address or (meta.seed or "") != (identifier.name or ""):
            return False
        self.metas[identifier] = meta
        return True

    async def save_document(self, document, identifier):
        if not document.verify(public_key=self.metas[identifier].public_key):
            return False
        self.visas[identifier] = [document]
        return True

    async def get_local_users(self):
        return self.local

    async def get_cipher_key(self, sender, receiver, generate=False):
        if receiver.is_broadcast:
            return SymmetricKey.parse({"algorithm": "PLAIN"})
        key = self.cipher_keys.get((sender, receiver))
        if key is None and generate:
            key = SymmetricKey.generate(algorithm="AES")
            self.cipher_keys[(sender, receiver)] = key
        return key

    async def cache_cipher_key(self, key, sender, receiver):
        self.cipher_keys[(sender, receiver)] = key


class Friends(Facebook):
    def __init__(self):
        self.memory = Memory(self)
        self.private_keys = {}  # ID -> (key of the meta, key of the visa)
        self.members = {}

    @property
    def barrack(self):
        return self.memory

    @property
    def archivist(self):
        return self.memory

    async def get_meta(self, identifier):
        return self.memory.metas.get(identifier)

    async def get_documents(self, identifier):
        return self.memory.visas.get(identifier, [])

    async def get_contacts(self, identifier):
        return []

    async def get_founder(self, identifier):
        return None

    async def get_owner(self, identifier):
        return None

    async def get_members(self, identifier):
        return ID.convert(self.members.get(str(identifier), []))

    async def private_keys_for_decryption(self, identifier):
        # With a terminal the stack asks for the keys of that device.
        bare = ID.create(name=identifier.name, address=identifier.address)
        return list(reversed(self.private_keys[bare]))

    async def private_key_for_signature(self, identifier):
        return self.private_keys[identifier][0]

    async def private_key_for_visa_signature(self, identifier):
        return self.private_keys[identifier][0]


class FullNames(MessageShortener):
    """What deployed applications do: they switch the one-letter names off when writing."""

    def compress_content(self, content):
        return content

    def compress_symmetric_key(self, key):
        return key

    def compress_reliable_message(self, msg):
        return msg


class Post(Messenger):
    def __init__(self, facebook, shortener):
        self.friends = facebook
        self.shortener = MessageCompressor(shortener=shortener)
        self.packing = MessagePacker(facebook=facebook, messenger=self)

    @property
    def facebook(self):
        return self.friends

    @property
    def compressor(self):
        return self.shortener

    @property
    def key_cache(self):
        return self.friends.memory

    @property
    def packer(self):
        return self.packing

    @property
    def processor(self):
        raise NotImplementedError


class Stock24(BareGroups):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.friends = Friends()
        self.friends.members = self.groups
        self.post = Post(self.friends, FullNames() if options.full_names else MessageShortener())
        self.memory = self.friends.memory
        asyncio.run(self.register())

    async def register(self) -> None:
        key = shared_key(self.options.owner, lambda: RSAPrivateKey.new_key(self.options.key_bits), PrivateKey.parse)
        meta = Meta.generate(MetaType.MKM, key, seed=self.options.name)
        self.me = ID.generate(meta=meta, network=0)
        self.did = str(self.me)
        self.meta = meta.to_map()
        self.memory.local.append(self.me)
        assert await self.memory.save_meta(meta, self.me)
        await self.renewed(key)

    def renew(self) -> None:
        asyncio.run(self.renewed(self.friends.private_keys[self.me][0]))

    async def renewed(self, meta_key) -> None:
        visa_key = RSAPrivateKey.new_key(self.options.key_bits)
        self.friends.private_keys[self.me] = (meta_key, visa_key)
        visa = BaseVisa()
        visa["did"] = self.did
        if self.options.terminal is not None:
            visa["terminal"] = self.options.terminal
        visa.name = self.options.name
        visa.public_key = visa_key.public_key
        user = await self.friends.get_user(self.me)
        assert await user.sign_visa(visa) is not None
        assert await self.memory.save_document(visa, self.me)
        self.visa = visa.to_map()

    def knows(self, did: str) -> bool:
        return ID.parse(did) in self.memory.metas

    def meta_of(self, did: str) -> dict:
        return self.memory.metas[ID.parse(did)].to_map()

    def learn_meta(self, did: str, meta: dict) -> None:
        parsed = Meta.parse(bridged(meta, ["1", "2", "4"]))
        if parsed is None or not asyncio.run(self.memory.save_meta(parsed, ID.parse(did))):
            raise ValueError("the meta does not match the ID")

    def learn_visa(self, did: str, visa: dict) -> None:
        parsed = Document.parse(named(visa))
        if parsed is None or not asyncio.run(self.memory.save_document(parsed, ID.parse(did))):
            raise ValueError("the visa is not signed by the ID's owner")

    def pack(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        return asyncio.run(self.packed(to, text, attach))

    async def packed(self, to: str, text: str, attach: bool) -> tuple[int, bytes]:
        content = BaseTextContent(text=text)
        reliable = await self.reliable(to, content)
        if attach:
            reliable["meta"], reliable["visa"] = self.meta, self.visa
        return content.sn, await self.post.serialize_message(reliable)

    async def reliable(self, to: str, content):
        instant = InstantMessage.create(head=Envelope.create(sender=self.me, receiver=ID.parse(to)), body=content)
        secure = await self.post.encrypt_message(instant)
        if secure is None:
            raise ValueError("no key to encrypt for " + to)
        return await self.post.sign_message(secure)

    def parse(self, wire: bytes) -> dict:
        return asyncio.run(self.post.deserialize_message(wire)).to_map()

    def open_one(self, wire: bytes) -> dict:
        return asyncio.run(self.opened(wire))

    async def opened(self, wire: bytes) -> dict:
        reliable = await self.post.deserialize_message(wire)
        secure = await self.post.verify_message(reliable)
        instant = await self.post.decrypt_message(secure)
        if instant is None:
            raise ValueError("decrypted to nothing")
        return instant.content.to_map()

    # Groups

    def pack_content(self, to: str, content: dict) -> bytes:
        return asyncio.run(self.content_packed(to, content))

    async def content_packed(self, to: str, content: dict) -> bytes:
        return await self.post.serialize_message(await self.reliable(to, Content.parse(content)))

    def pack_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        return asyncio.run(self.packed_for_group(group, text))

    async def packed_for_group(self, group: str, text: str) -> tuple[int, list[dict]]:
        content = BaseTextContent(text=text)
        content.group = ID.parse(group)
        reliable = await self.reliable(group, content)
        others = [did for did in self.groups[group] if did != self.did]
        return content.sn, split(reliable.to_map(), group, others)

    def new_group(self) -> tuple[str, dict, dict]:
        return asyncio.run(self.group_made())

    async def group_made(self) -> tuple[str, dict, dict]:
        """The founder's key is the group's, as in applications."""
        key = self.friends.private_keys[self.me][0]
        meta = Meta.generate(MetaType.MKM, key, seed="club")
        group = ID.generate(meta=meta, network=1)
        bulletin = BaseBulletin()
        bulletin["did"] = str(group)
        bulletin.name = "club"
        bulletin.set_property(name="founder", value=self.did)
        bulletin.sign(private_key=key)
        return str(group), meta.to_map(), bulletin.to_map()


def main() -> None:
    parser = arguments()
    parser.add_argument("--full-names", action="store_true", help="do not write the one-letter names")
    device_arguments(parser)
    options = parser.parse_args()
    ExtensionLoader().load()
    PluginLoader().load()
    Postbox(Stock24(options), options).run()


if __name__ == "__main__":
    main()
