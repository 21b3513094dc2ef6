import Crypto
import DIMP
import Format
import Store

/// The files of one identity, read and not loaded: nothing is set aside or signed anew.
struct IdentityFiles {
    private let address: Address
    private let secret: Reading<PrivateKey>
    private let meta: Reading<Meta>
    private let visa: Reading<Document>
    private let visaKeys: [(file: String, key: Reading<PrivateKey>)]

    private enum Reading<Value> {
        case there(Value)
        case absent
        /// This user may not read it.
        case closed(String)
        case bad(String)

        var value: Value? { if case .there(let value) = self { value } else { nil } }
    }

    /// Every identity: are its keys strong, its own, and do its files belong together?
    static func checks(in path: String, at time: Double?) -> [Check] {
        guard let directory = try? StateDirectory(path), let names = try? directory.list(StatePath.identities) else {
            return []
        }
        var checks: [Check] = []
        var owners: [[UInt8]: String] = [:]
        for text in names {
            guard let address = Address(text) else { continue }
            let files = IdentityFiles(directory, address)
            checks += files.checks(at: time)
            for key in files.keys {
                if let other = owners[key.data], other != text {
                    checks.append(
                        Check(
                            "keys", .fail, "\(text) and \(other) have the same key", hint: another(files.name)
                        ))
                }
                owners[key.data] = text
            }
        }
        return checks
    }

    private init(_ directory: StateDirectory, _ address: Address) {
        self.address = address
        secret = Self.read(directory, StatePath.secret(of: address.text)) { try PrivateKey($0) }
        meta = Self.read(directory, StatePath.meta(ofIdentity: address.text)) { try Meta($0) }
        visa = Self.read(directory, StatePath.visa(ofIdentity: address.text)) { try Document($0) }
        let place = StatePath.visaKeys(of: address.text)
        let files = ((try? directory.list(place)) ?? []).filter { $0.hasSuffix(".json") }.prefix(8)
        visaKeys = files.map { name in
            ("\(place)/\(name)", Self.read(directory, "\(place)/\(name)") { try PrivateKey($0) })
        }
    }

    private static func read<Value>(
        _ directory: StateDirectory, _ name: String, _ parse: (JSON) throws -> Value
    ) -> Reading<Value> {
        let bytes: [UInt8]
        do throws(FileError) {
            guard let found = try directory.read(name) else { return .absent }
            bytes = found
        } catch {
            return .closed(error.description)
        }
        do {
            return .there(try parse(try JSON(parsing: bytes)))
        } catch {
            return .bad("\(name): \(error)")
        }
    }

    private var name: String { meta.value?.seed ?? address.text }

    /// The public halves.
    private var keys: [PublicKey] { ([secret.value] + visaKeys.map(\.key.value)).compactMap { $0?.publicKey } }

    private static func another(_ name: String) -> String { "culver id new \(name)-2; culver id default \(name)-2" }

    private func checks(at time: Double?) -> [Check] {
        var checks: [Check] = []
        func note(_ result: Check.Result, _ text: String, _ hint: String) {
            checks.append(Check("keys", result, "\(name): \(text)", hint: hint))
        }
        switch secret {
        case .closed(let words): return [Check("keys", .warn, words, hint: "sudo culver doctor")]
        case .bad(let words): note(.fail, words, "culver restore FILE    # of a backup")
        case .absent: note(.fail, "the private key is missing", "culver restore FILE    # of a backup")
        case .there(let secret):
            if let weakness = weakness(of: secret.publicKey) {
                note(weakness.result, "the signing key has \(weakness.words)", Self.another(name))
            }
            checkMeta(for: secret, note: note)
        }
        for (file, key) in visaKeys {
            switch key {
            case .bad(let words): note(.fail, words, "culver id rotate \(name)")
            case .there(let key):
                guard let weakness = weakness(of: key.publicKey) else { continue }
                note(weakness.result, "the key \(file) has \(weakness.words)", "culver id rotate \(name)")
            case .absent, .closed: continue
            }
        }
        if keys.contains(where: PublishedKeys.contains) {
            note(.fail, "its private key stands in public test files: it is nobody's secret", Self.another(name))
        }
        if let meta = meta.value { checkVisa(beside: meta, at: time, note: note) }
        guard checks.isEmpty else { return checks }
        let kind = secret.value?.publicKey.encryption.map { "RSA, \($0.bits) bits" } ?? secret.value?.algorithm ?? ""
        return [Check("keys", .ok, "\(name): \(kind); meta, visa and keys belong together")]
    }

    private func checkMeta(for secret: PrivateKey, note: (Check.Result, String, String) -> Void) {
        // An address is made of the meta, so the right one is somewhere else, if anywhere.
        let cure = "culver restore FILE    # or meta.json from contacts/\(address) of a board that knows us"
        switch meta {
        case .closed(let words): note(.warn, words, "sudo culver doctor")
        case .absent: note(.fail, "there is no meta beside the private key: the identity is not used", cure)
        case .bad(let words): note(.fail, words, cure)
        case .there(let meta):
            guard meta.vouches(for: ID(name: meta.seed, address: address)), meta.key == secret.publicKey else {
                return note(.fail, "the meta is not that of this address and private key", cure)
            }
        }
    }

    private func checkVisa(beside meta: Meta, at time: Double?, note: (Check.Result, String, String) -> Void) {
        let id = ID(name: meta.seed, address: address)
        let cure = "culver id rotate \(name)"
        switch visa {
        case .closed(let words): note(.warn, words, "sudo culver doctor")
        case .absent: note(.warn, "there is no visa; the daemon makes one at its start", "systemctl restart culver")
        case .bad(let words): note(.fail, words, "systemctl restart culver")
        case .there(let visa):
            guard (try? visa.check(about: id, meta: meta)) != nil else {
                return note(.fail, "the visa is not signed by this identity", "systemctl restart culver")
            }
            guard let key = visa.key ?? (meta.key.encryption == nil ? nil : meta.key), keys.contains(key) else {
                return note(.fail, "the visa names a key that is not here: messages cannot be opened", cure)
            }
            guard let time else { return }
            let end = visa.properties["expires"]?.double ?? visa.properties["expire"]?.double
            if let end, end < time { note(.fail, "the visa has expired", cure) }
            if visa.time > time + 600 { note(.warn, "the visa is dated in the future: was the clock wrong?", cure) }
        }
    }

    private func weakness(of key: PublicKey) -> (result: Check.Result, words: String)? {
        guard let rsa = key.encryption else { return nil }
        if rsa.bits < 2048 { return (.warn, "only \(rsa.bits) bits") }
        if rsa.exponent < 65_537 { return (.warn, "the exponent \(rsa.exponent)") }
        return nil
    }
}
