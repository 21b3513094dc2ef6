import Crypto
import DIMP
import Format
import Glibc

// What culver adds to the arithmetic of mbedTLS: each step beside the same operations called directly, same keys,
// same content, same run.

func padded(_ text: String, _ width: Int) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return text.first?.isNumber == true ? space + text : text + space
}

func show(_ name: String, _ duel: Duel, goal: Double?) {
    let ratio = Double(Int(duel.ratio * 1000)) / 1000
    let verdict = goal.map { "\(padded("\($0)", 5))  \(ratio >= $0 ? "ok" : "below")" } ?? "    -"
    print(
        padded(name, 46), padded("\(Int(duel.oursPerSecond))/s", 9), padded("\(Int(duel.rawPerSecond))/s", 9),
        padded("\(ratio)", 6), verdict)
}

// `Bench open-reused SECONDS` and the like do one thing over and over, for a profiler.
func repeated(_ work: () throws -> Void, seconds: Int) throws {
    let end = time(nil) + seconds
    while time(nil) < end {
        for _ in 0..<100 { try work() }
    }
}

let arguments = CommandLine.arguments.dropFirst()
if arguments.count == 2, let count = Int(arguments.last ?? "") {
    switch arguments.first {
    // `Bench contacts 10000`: for scale.py.
    case "contacts":
        try Contacts.write(count)
        exit(0)
    // `Bench sign 10 < key.pem`: so many signatures and hardly anything else, for a profiler that counts.
    case "sign":
        var pem = ""
        while let line = readLine(strippingNewline: false) { pem += line }
        let key = RawKey(pem: pem)
        for _ in 0..<count { key.sign(digest: Digest.sha256([])) }
        exit(0)
    default: break
    }
}

let pair = try Correspondence()
let text = "The soil is dry. 🌱"
let sealed = try pair.pack(text, reusing: pair.reused)
let fresh = try pair.pack(text, reusing: nil)
let message = try ReliableMessage(parsing: sealed)
let digest = Digest.sha256(message.secure.data)
let iv = message.secure.iv ?? []
guard case .aes(let secret, _) = pair.reused.key, let wrapped = try ReliableMessage(parsing: fresh).secure.keys.first
else { fatalError("no key in our own message") }
let key = secret.revealed

let senderKey = RawKey(pem: pair.sender.secret.decryption?.pem ?? "")
let receiverKey = RawKey(pem: pair.secret.pem)
let aes = RawAES(count: message.secure.data.count)

// `Bench bound` prints how many signatures and verifications all cores do in a second, at once, and how many signatures
// one core does: bench.py asks for it between its own runs.
if CommandLine.arguments.dropFirst().first == "bound" {
    let pem = pair.sender.secret.decryption?.pem ?? ""
    let alone = Bound.perSecond(cores: 1) {
        RawKey(pem: pem)
    } work: {
        $0.sign(digest: digest)
    }
    let signs = Bound.perSecond {
        RawKey(pem: pem)
    } work: {
        $0.sign(digest: digest)
    }
    let verifies = Bound.perSecond {
        RawKey(pem: pem)
    } work: {
        $0.verify(message.signature, digest: digest)
    }
    print("{\"alone\": \(alone), \"signs\": \(signs), \"verifies\": \(verifies)}")
    exit(0)
}

let works: [String: () throws -> Void] = [
    "pack": { _ = try pair.pack(text, reusing: pair.reused) },
    "open-reused": { _ = try pair.open(sealed, knowing: true, with: []) },
    "open-fresh": { _ = try pair.open(fresh, knowing: false, with: [pair.secret]) },
    "open-two": { _ = try pair.open(fresh, knowing: false, with: pair.receiver.decryptionKeys) },
]
if CommandLine.arguments.count == 3, let work = works[CommandLine.arguments[1]] {
    try repeated(work, seconds: Int(CommandLine.arguments[2]) ?? 10)
    exit(0)
}

print("A short text to a culver peer: \(sealed.count) bytes on the wire, RSA-2048, per second of one core")
print(padded("", 46), padded("ours", 9), padded("mbedTLS", 9), "ratio ", "goal")
show(
    "pack / raw sign",
    try Duel({ _ = try pair.pack(text, reusing: pair.reused) }, { senderKey.sign(digest: digest) }), goal: 0.9)
show(
    "open, reused key / raw verify + AES",
    try Duel(
        { _ = try pair.open(sealed, knowing: true, with: []) },
        {
            senderKey.verify(message.signature, digest: digest)
            aes.decrypt(message.secure.data, key: key, iv: iv)
        }), goal: 0.7)
show(
    "open, fresh key / raw decrypt + verify",
    try Duel(
        { _ = try pair.open(fresh, knowing: false, with: [pair.secret]) },
        {
            receiverKey.decrypt(wrapped.bytes)
            senderKey.verify(message.signature, digest: digest)
        }), goal: 0.9)
// An identity of RSA alone has a visa key and the meta's key, and each live key is tried whatever the first one says.
show(
    "the same, two live keys / two raw decrypts",
    try Duel(
        { _ = try pair.open(fresh, knowing: false, with: pair.receiver.decryptionKeys) },
        {
            receiverKey.decrypt(wrapped.bytes)
            receiverKey.decrypt(wrapped.bytes)
            senderKey.verify(message.signature, digest: digest)
        }), goal: nil)
show(
    "pack, fresh key / raw sign",
    try Duel({ _ = try pair.pack(text, reusing: nil) }, { senderKey.sign(digest: digest) }), goal: nil)

let members = try pair.members(isShort ? 20 : 200)
guard let group = try Meta(seed: "group", signedBy: pair.sender.secret).id(network: 1) else { fatalError("no group") }
let keyText = pair.reused.key.json(from: pair.sender.id.address).bytes
show(
    "to \(members.count) members / raw sign + encrypt for each",
    try Duel(
        { _ = try pair.pack(text, to: group, of: members) },
        {
            senderKey.sign(digest: digest)
            for _ in members { receiverKey.encrypt(keyText) }
        }), goal: 0.9)
