/// Prometheus' text format, version 0.0.4: families, each with its HELP, its TYPE and its samples.
struct Exposition {
    enum Kind: String {
        case counter, gauge, summary
    }

    typealias Labels = KeyValuePairs<String, String>

    private(set) var text = ""
    private var family = ""

    /// Begins a family. The name of a counter ends with `_total`; samples follow.
    mutating func begin(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        text += "# HELP \(name) \(Self.escaped(help))\n# TYPE \(name) \(kind.rawValue)\n"
    }

    mutating func sample(_ value: some BinaryInteger, _ labels: Labels = [:], suffix: String = "") {
        write("\(value)", labels, suffix)
    }

    mutating func sample(_ value: Double, _ labels: Labels = [:], suffix: String = "") {
        write(Self.number(value), labels, suffix)
    }

    private mutating func write(_ value: String, _ labels: Labels, _ suffix: String) {
        text += family + suffix
        if !labels.isEmpty {
            let all = labels.map { "\($0.key)=\"\(Self.escaped($0.value, quotes: true))\"" }
            text += "{" + all.joined(separator: ",") + "}"
        }
        text += " \(value)\n"
    }

    /// A family of one sample.
    mutating func counter(_ name: String, _ value: some BinaryInteger, _ help: String) {
        begin(name, .counter, help)
        sample(value)
    }

    mutating func gauge(_ name: String, _ value: some BinaryInteger, _ help: String) {
        begin(name, .gauge, help)
        sample(value)
    }

    mutating func gauge(_ name: String, _ value: Double, _ help: String) {
        begin(name, .gauge, help)
        sample(value)
    }

    /// Line ends would end the sample, and a quote its label: names in labels come from outside.
    private static func escaped(_ text: String, quotes: Bool = false) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }
}
