#!/bin/bash
# Guess: in a group of DIMP applications the owner's `invite` lets somebody in and the owner's `expel` puts somebody out.
# It is a good guess: both are commands of the protocol, with a class for each in the library, a factory, and a processor
# in the application; the other members check that the sender may do it; and the answer to both is the same receipt.
#
# `invite` lets in. `expel` puts nobody out: the members answer "Message received." and go on writing to the one who was
# to be gone. Only `reset`, which names all who are members from now on, takes somebody away, and it is all that the
# application's own group manager sends.
#
# What an agent has to do: let a `reset` follow each `expel` where a member may run such an application, or send nothing
# else; not to take a receipt for obedience.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 -m venv python
python/bin/pip --quiet --disable-pip-version-check install --no-deps dimples==2.1.1 dimap==2.5.0 dimax==2.5.0 \
    dimsdk==2.5.0 dimp==2.5.0 mkm==2.5.0 dkd==2.5.1 pycryptodome==4.4.0 base58==2.1.1 ecdsa==0.19.2 six==1.17.0 \
    aiou==1.2.1 smallib==1.2.0 startrek==2.3.3 tcp==2.3.4 udp==2.3.3 redis==8.1.0 aiofiles==25.1.0 aiohttp==3.14.5 \
    aiohappyeyeballs==2.7.1 aiosignal==1.4.0 attrs==26.1.0 frozenlist==1.8.0 multidict==7.2.1 propcache==0.5.4 \
    yarl==1.25.1 typing_extensions==4.16.0 requests==2.34.2 certifi==2026.10.19.post1 charset-normalizer==3.5.3 \
    idna==3.20 urllib3==2.8.0

cat >application.py <<'END'
# application.py DIRECTORY: one user. Lines on stdin are calls, lines on stdout are answers; both are JSON.
import asyncio, json, logging, os, sys
answers, sys.stdout = sys.stdout, sys.stderr
logging.disable(logging.CRITICAL)
from dimap import AsymmetricAlgorithms
from dimax import BaseVisa, ForwardContent, GroupCommand
from dimax.protocol import MetaType
from dimples.client import *
from dimples.client.compat import ClientLibraryLoader
from dimples.database import AccountDatabase, MessageDatabase
from dimples.database.dos.private import PrivateKeyStorage
from dimples.group import SharedGroupManager
from dimples.utils import Config
from dimsdk import Document, EntityType, ID, Meta, PrivateKey

class Session:
    ready = True
    sent = []
    async def queue_message_package(self, msg, data, priority=0):
        self.sent.append((str(msg.receiver), data.decode()))
        return True

class Messenger(ClientMessenger):
    session = Session()

async def begin(directory):
    global database, facebook, messenger, groups, me
    ClientLibraryLoader().run()
    os.mkdir(directory)
    with open(f"{directory}/config.ini", "w") as file:
        file.write(f"[database]\nroot = {directory}\n")
    config = Config()
    await config.load(path=f"{directory}/config.ini")
    database = AccountDatabase(config=config)
    facebook = ClientFacebook(database=database)
    facebook.barrack = ClientArchivist(facebook=facebook, database=database)
    facebook.checker = ClientChecker(facebook=facebook, database=database)
    messenger = Messenger(session=Messenger.session, facebook=facebook, database=MessageDatabase(config=config))
    messenger.packer = ClientMessagePacker(facebook=facebook, messenger=messenger)
    messenger.processor = ClientMessageProcessor(facebook=facebook, messenger=messenger)
    facebook.checker.messenger = messenger
    groups = SharedGroupManager()
    groups.facebook, groups.messenger = facebook, messenger
    # As the application registers somebody, but with the keys straight into their files: the table above them keeps a
    # coroutine in the place of the second.
    key, visa_key = (PrivateKey.generate(algorithm=kind) for kind in (AsymmetricAlgorithms.ECC, AsymmetricAlgorithms.RSA))
    meta = Meta.generate(version=MetaType.ETH, private_key=key)
    me = meta.generate_id(EntityType.USER)
    visa = BaseVisa()
    visa["did"], visa.name, visa.public_key = str(me), directory, visa_key.public_key
    visa.sign(private_key=key)
    files = PrivateKeyStorage(config=config)
    await files.save_private_key(key=key, user=me, key_type="M")
    await files.save_private_key(key=visa_key, user=me, key_type="V")
    await meet(str(me), meta.to_map(), visa.to_map())
    await facebook.set_current_user(user=await facebook.get_user(identifier=me))
    return [str(me), meta.to_map(), visa.to_map()]

async def meet(did, meta, visa):
    await facebook.archivist.save_meta(meta=Meta.parse(meta), identifier=ID.parse(did))
    await facebook.archivist.save_document(document=Document.parse(visa), identifier=ID.parse(did))

async def found(members):
    return str(await groups.create_group(members=ID.convert(members)))

async def command(act, group, members):
    """As the group manager sends what it sends: a signed broadcast, inside a forward to each member."""
    content = getattr(GroupCommand, act)(group=ID.parse(group), members=ID.convert(members))
    inner = await groups.manager.packer.pack_message(content=content, sender=me)
    for receiver in await groups.get_members(ID.parse(group)):
        if receiver != me:
            await messenger.send_content(sender=me, receiver=receiver, content=ForwardContent.create(messages=[inner]))

async def reset(group, members):
    return await groups.reset_group_members(members=ID.convert(members), group=ID.parse(group))

async def mail():
    sent, Session.sent[:] = list(Session.sent), []
    return sent

async def read(data):
    message = await messenger.deserialize_message(data=data.encode())
    for answer in await messenger.process_reliable_message(msg=message):
        await messenger.send_reliable_message(msg=answer)

async def members(group):
    return [str(did) for did in await groups.get_members(ID.parse(group))]

async def main():
    for line in iter(sys.stdin.readline, ""):
        name, *rest = json.loads(line)
        print(json.dumps(await globals()[name](*rest)), file=answers, flush=True)
asyncio.run(main())
END
cat >story.py <<'END'
import json, subprocess, sys
names, known, people = ["ann", "ben", "cid", "dan"], {}, {}
def ask(name, *call):
    people[name].stdin.write(json.dumps(call) + "\n")
    people[name].stdin.flush()
    return json.loads(people[name].stdout.readline())
def deliver():
    """Until there is no more mail."""
    while letters := [letter for name in names for letter in ask(name, "mail")]:
        for receiver, data in letters:
            if receiver in known:
                ask(known[receiver], "read", data)
for name in names:
    people[name] = subprocess.Popen([sys.executable, "application.py", name], text=True, stdin=-1, stdout=-1, stderr=open("log", "a"))
cards = {name: ask(name, "begin", name) for name in names}
did = {name: card[0] for name, card in cards.items()}
known.update({card[0]: name for name, card in cards.items()})
for name in names:
    for other in names:
        if other != name:
            ask(name, "meet", *cards[other])
group = ask("ann", "found", [did["ben"], did["cid"]])
def seen(by="ben"):
    deliver()
    return " ".join(known[each] for each in ask(by, "members", group))
line = [f"founded: {seen()}"]
ask("ann", "command", "invite", group, [did["dan"]])
line.append(f"invite dan: {seen()}")
ask("ann", "command", "expel", group, [did["cid"]])
line.append(f"expel cid: {seen()}")
ask("ann", "reset", group, [did["ann"], did["ben"], did["dan"]])
line.append(f"reset without cid: {seen()}")
print("; ".join(line))
END
seen=$(python/bin/python story.py)
echo "version: dimples $(python/bin/pip --disable-pip-version-check show dimples 2>>log | sed -n 's/^Version: //p'), dimsdk 2.5.0"
begin="founded: ann ben cid; invite dan: ann ben cid dan; expel cid:"
echo "expected: $begin ann ben dan; reset without cid: ann ben dan"
echo "seen: $seen"
[ "$seen" = "$begin ann ben cid dan; reset without cid: ann ben dan" ]
