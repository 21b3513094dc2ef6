/// Puts a configuration together from its files and the environment, and collects what is wrong with them.
struct ConfigurationBuilder {
    private(set) var configuration: Configuration
    private(set) var problems: [ConfigurationError] = []
    /// Where each section was first named.
    private var places: [(section: SectionName, file: String, line: Int)] = []
    /// Values that were there and not taken: that they are missing is no further news.
    private var refused: [SectionName: Set<String>] = [:]

    init(_ defaults: Configuration) {
        configuration = defaults
        configuration.brokers = []
    }

    /// A later file's values replace those of an earlier one; within one, no key may stand twice.
    mutating func add(_ bytes: [UInt8], name: String) {
        let file = INIFile(bytes, name: name)
        problems += file.problems
        for section in file.sections {
            do throws(InvalidValue) {
                note(try SectionName(section.name), in: name, at: section.line)
            } catch {
                problems.append(
                    ConfigurationError(file: name, line: section.line, key: "[\(section.name)]", words: error.words))
            }
        }
        var lines: [SectionName: [String: Int]] = [:]
        for entry in file.entries {
            guard let section = try? SectionName(entry.section) else { continue }
            if let first = lines[section]?[entry.key] {
                report(entry, of: name, because: "is set twice, first in line \(first)")
                continue
            }
            lines[section, default: [:]][entry.key] = entry.line
            take(entry, in: section, of: name)
        }
    }

    /// A file that could not be read.
    mutating func add(_ error: InvalidValue, name: String) {
        problems.append(ConfigurationError(file: name, line: 0, key: "", words: error.words))
    }

    /// `CULVER_<SECTION>_<KEY>` for every key there is, and for the named sections that the files have.
    mutating func add(environment: [String: String]) {
        let named = places.map(\.section).filter { !SectionName.unnamed.contains($0) }
        for section in SectionName.unnamed + named {
            for key in section.keys {
                let variable = section.variable(for: key)
                guard let value = environment[variable] else { continue }
                note(section, in: "environment", at: 0)
                do throws(InvalidValue) {
                    try configuration.set(key, of: section, to: value)
                } catch {
                    refused[section, default: []].insert(key)
                    problems.append(
                        ConfigurationError(file: "environment", line: 0, key: variable, words: error.words))
                }
            }
        }
    }

    /// Looks at whole sections and gives the configuration, or everything that is wrong.
    mutating func finished() throws(ConfigurationErrors) -> Configuration {
        if configuration.brokers.isEmpty { configuration.brokers = [BrokerSettings()] }
        for place in places {
            guard let fault = configuration.fault(in: place.section),
                refused[place.section]?.contains(fault.key) != true
            else {
                continue
            }
            problems.append(
                ConfigurationError(
                    file: place.file, line: place.line, key: fault.key,
                    words: "\(fault.words) ([\(place.section.text)])"))
        }
        guard problems.isEmpty else { throw ConfigurationErrors(problems: problems) }
        return configuration
    }

    private mutating func take(_ entry: INIFile.Entry, in section: SectionName, of file: String) {
        guard section.keys.contains(entry.key) else {
            return report(entry, of: file, because: "there is no such key in [\(section.text)]")
        }
        do throws(InvalidValue) {
            try configuration.set(entry.key, of: section, to: unquoted(entry.value))
        } catch {
            refused[section, default: []].insert(entry.key)
            report(entry, of: file, because: error.words)
        }
    }

    private mutating func note(_ section: SectionName, in file: String, at line: Int) {
        guard !places.contains(where: { $0.section == section }) else { return }
        places.append((section, file, line))
        configuration.begin(section)
    }

    private mutating func report(_ entry: INIFile.Entry, of file: String, because words: String) {
        problems.append(ConfigurationError(file: file, line: entry.line, key: entry.key, words: words))
    }
}

/// A value may stand in double quotes. ` ;` begins a comment between them too, which then leaves one of them alone.
private func unquoted(_ text: String) throws(InvalidValue) -> String {
    guard text.hasPrefix("\"") || text.hasSuffix("\"") else { return text }
    guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else {
        throw InvalidValue("a quote is not closed (a blank and ; begin a comment, between quotes too)")
    }
    return String(text.dropFirst().dropLast())
}

extension Configuration {
    /// Makes room for a section that has a name.
    fileprivate mutating func begin(_ section: SectionName) {
        switch section {
        case .broker(let name): brokers.append(BrokerSettings(name: name))
        case .contact(let name): contacts.append(ContactSettings(name: name))
        case .call(let name): calls.append(CallSettings(name: name))
        case .bridge(let name): bridges.append(BridgeSettings(name: name))
        default: break
        }
    }

    fileprivate mutating func set(_ key: String, of section: SectionName, to value: String) throws(InvalidValue) {
        switch section {
        case .agent: try agent.set(key, to: value)
        case .identity: try identity.set(key, to: value)
        case .delivery: try delivery.set(key, to: value)
        case .access: try access.set(key, to: value)
        case .relay: try relay.set(key, to: value)
        case .files: try files.set(key, to: value)
        case .keys: try keys.set(key, to: value)
        case .limits: try limits.set(key, to: value)
        case .broker(let name):
            for index in brokers.indices where brokers[index].name == name { try brokers[index].set(key, to: value) }
        case .contact(let name):
            for index in contacts.indices where contacts[index].name == name { try contacts[index].set(key, to: value) }
        case .call(let name):
            for index in calls.indices where calls[index].name == name { try calls[index].set(key, to: value) }
        case .bridge(let name):
            for index in bridges.indices where bridges[index].name == name { try bridges[index].set(key, to: value) }
        }
    }

    fileprivate func fault(in section: SectionName) -> (key: String, words: String)? {
        switch section {
        case .broker(let name): brokers.first { $0.name == name }?.fault
        case .contact(let name): contacts.first { $0.name == name }.flatMap { $0.fault ?? twin(of: $0) }
        case .call(let name): calls.first { $0.name == name }?.fault
        case .bridge(let name): bridges.first { $0.name == name }.flatMap { $0.fault ?? surplus($0) }
        default: nil
        }
    }

    private func surplus(_ bridge: BridgeSettings) -> (key: String, words: String)? {
        guard bridges.firstIndex(of: bridge) ?? 0 >= BridgeSettings.limit else { return nil }
        return ("broker", "is one too many: there may be \(BridgeSettings.limit) bridges")
    }

    private func twin(of contact: ContactSettings) -> (key: String, words: String)? {
        guard let first = contacts.first(where: { $0.id == contact.id }), first.name != contact.name else { return nil }
        return ("id", "is that of [contact \(first.name)] already")
    }
}
