import Crypto
import DIMP
import Dispatch
import Format
import Glibc

/// Contacts for a board that is to have thousands, as its files have them.
enum Contacts {
    private static let output = DispatchQueue(label: "output")

    /// Prints a line with `did`, `meta` and `visa` for each, in any order. All have the same two keys, because making keys
    /// would take an hour: the seed makes the difference, and each meta vouches for an ID of its own. The keys are as
    /// short as readers take them: each contact needs two signatures.
    static func write(_ count: Int) throws {
        let sample = try Identity.register(name: "sample", network: 0, algorithm: .rsa, bits: 1024, time: time)
        let (secret, key) = (sample.secret, sample.visaKeys[0].publicKey)
        let lines = 16
        DispatchQueue.concurrentPerform(iterations: (count + lines - 1) / lines) { turn in
            let numbers = (turn * lines)..<min(count, (turn + 1) * lines)
            let text = numbers.flatMap { line($0, secret, key) }
            output.sync { put(text) }
        }
    }

    private static let time = 1_700_000_000.0

    private static func line(_ number: Int, _ secret: PrivateKey, _ key: PublicKey) -> [UInt8] {
        guard let meta = try? Meta(seed: "contact-\(number)", signedBy: secret), let id = meta.id(network: 0),
            let visa = try? Document.visa(of: id, name: id.name, key: key, time: time, signedBy: secret)
        else { fatalError("no contact can be made") }
        let json: JSON = ["did": .string(id.text), "meta": .object(meta.json), "visa": .object(visa.json)]
        return json.bytes + [UInt8(ascii: "\n")]
    }

    private static func put(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(1, $0.baseAddress, $0.count) }
            guard count > 0 else { fatalError("cannot write: errno \(errno)") }
            rest = rest.dropFirst(count)
        }
    }
}
