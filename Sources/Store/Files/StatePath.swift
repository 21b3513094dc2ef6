/// Where things lie in the state directory (culver.conf(5)), as names below it.
package enum StatePath {
    package static let identities = "identities"
    package static let contacts = "contacts"
    package static let groups = "groups"
    package static let keys = "keys"
    package static let files = "files"
    package static let lock = "lock"
    package static let install = "install.json"
    package static let messages = "messages.sqlite"
    /// What became of the calls that others made; the file before it ends in `.1`.
    package static let audit = "calls.audit"
    /// There when no calls are run.
    package static let callsOff = "calls.off"
    /// What one backup holds, while somebody reads it.
    package static let backup = "backup"
    /// The keys have moved elsewhere: nobody goes on with this directory.
    package static let retired = "retired.json"
    /// A restore has begun and not ended.
    package static let restoring = "restoring.json"
    /// What of the flat files goes into a backup. Not `keys/`: they are made anew, and end early by it.
    package static let lasting = [identities, contacts, groups, files]

    package static func identity(_ address: String) -> String { "\(identities)/\(address)" }
    package static func secret(of address: String) -> String { "\(identity(address))/secret.json" }
    package static func meta(ofIdentity address: String) -> String { "\(identity(address))/meta.json" }
    package static func visa(ofIdentity address: String) -> String { "\(identity(address))/visa.json" }
    package static func visaKeys(of address: String) -> String { "\(identity(address))/visa-keys" }
    /// `time` names the visa that the key is for.
    package static func visaKey(of address: String, time: String) -> String { "\(visaKeys(of: address))/\(time).json" }

    package static func contact(_ address: String) -> String { "\(contacts)/\(address)" }
    package static func meta(ofContact address: String) -> String { "\(contact(address))/meta.json" }
    package static func visa(ofContact address: String) -> String { "\(contact(address))/visa.json" }
    /// The other visas of a stock user with several devices.
    package static func deviceVisas(ofContact address: String) -> String { "\(contact(address))/devices.json" }
    package static func trust(of address: String) -> String { "\(contact(address))/trust.json" }

    package static func group(_ address: String) -> String { "\(groups)/\(address)" }
    /// Of a group that was founded here.
    package static func secret(ofGroup address: String) -> String { "\(group(address))/secret.json" }
    package static func meta(ofGroup address: String) -> String { "\(group(address))/meta.json" }
    package static func bulletin(of address: String) -> String { "\(group(address))/bulletin.json" }
    package static func members(of address: String) -> String { "\(group(address))/members.json" }

    /// The reusable symmetric key of one direction.
    package static func key(sender: String, receiver: String) -> String { "\(keys)/\(sender)/\(receiver).json" }
    package static func file(_ name: String) -> String { "\(files)/\(name)" }
}
