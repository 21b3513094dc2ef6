import CLinux
import Format
import Glibc
import System

/// Rows below each other, every column as wide as its widest entry.
///
/// In a pipe they are for scripts: no heading, full IDs with their names, times to the second. At a terminal people get a
/// heading, ages, colours for how something stands, and names in place of IDs where both have no room in a line.
struct Table {
    enum Cell {
        case text(String)
        /// The ID, and what this board calls it.
        case who(did: String, name: String)
        /// Seconds since 1970.
        case time(Double?)
        /// A word that says how something stands.
        case state(String)
    }

    private let headings: [String]
    private var rows: [[Cell]]

    init(_ headings: String..., rows: [[Cell]] = []) {
        self.headings = headings
        self.rows = rows
    }

    mutating func add(_ cells: [Cell]) { rows.append(cells) }

    func lines(on view: View) -> [String] {
        guard let width = view.width else { return Self.lines(rows.map { $0.map { $0.words(on: view, .full) } }) }
        let heading = headings.isEmpty || rows.isEmpty ? [] : [headings.map { Styled($0, .heading) }]
        let full = heading + rows.map { $0.map { $0.words(on: view, .full) } }
        let widths = Self.widths(full)
        let isNarrow = widths.reduce(2 * (widths.count - 1), +) > width
        let shown = isNarrow ? heading + rows.map { $0.map { $0.words(on: view, .short) } } : full
        return Self.lines(shown, hasColour: view.hasColour)
    }

    private static func widths(_ rows: [[Styled]]) -> [Int] {
        (0..<(rows.map(\.count).max() ?? 0)).map { column in
            rows.map { column < $0.count ? $0[column].words.count : 0 }.max() ?? 0
        }
    }

    private static func lines(_ rows: [[Styled]], hasColour: Bool = false) -> [String] {
        let widths = widths(rows)
        return rows.map { row in
            // Last cells may be empty.
            let last = row.lastIndex { !$0.words.isEmpty } ?? -1
            return row.prefix(last + 1).enumerated().map { index, cell in
                let gap = index == last ? 0 : widths[index] - cell.words.count
                return cell.text(hasColour: hasColour) + String(repeating: " ", count: gap)
            }.joined(separator: "  ")
        }
    }
}

/// Where something is shown.
struct View {
    /// Characters in a line of the terminal; `nil` where nobody looks.
    var width: Int?
    var hasColour = false
    /// The time now, in seconds since 1970.
    var now = 0.0

    /// Standard output. Colours are no-color.org's: not with NO_COLOR, nor at a terminal without.
    static var output: View {
        guard isatty(STDOUT_FILENO) == 1 else { return View() }
        let isPlain = Globals.variable("NO_COLOR").map { !$0.isEmpty } ?? false
        let term = Globals.variable("TERM") ?? ""
        return View(
            width: size.columns, hasColour: !isPlain && !["", "dumb"].contains(term), now: KernelClock.realtime.now)
    }

    /// Of the terminal that standard output is.
    static var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }
}

/// Words that cannot drive a terminal, and how they look there.
struct Styled {
    enum Look: String {
        case plain = ""
        case heading = "1"
        case good = "32"
        case unsettled = "33"
        case bad = "31"
    }

    let words: String
    private let look: Look

    init(_ words: String, _ look: Look = .plain) {
        self.words = words.printable
        self.look = look
    }

    /// A word for how something stands.
    init(state: String) {
        let look: Look =
            switch state {
            case "delivered", "connected", "online", "whole", "ok", "verified": .good
            case "waiting", "queued", "going", "connecting", "away", "warn", "pending", "coming": .unsettled
            case "failed", "expired", "refused", "gone", "fail", "blocked": .bad
            default: .plain
            }
        self.init(state, look)
    }

    func text(hasColour: Bool) -> String {
        hasColour && look != .plain && !words.isEmpty ? "\u{1B}[\(look.rawValue)m\(words)\u{1B}[0m" : words
    }
}

extension Table.Cell {
    enum Length { case full, short }

    fileprivate func words(on view: View, _ length: Length) -> Styled {
        switch self {
        case .text(let text): Styled(text)
        case .state(let state): Styled(state: state)
        case .time(let seconds):
            Styled(view.width == nil ? LocalTime.words(for: seconds) : LocalTime.age(of: seconds, at: view.now))
        case .who(let did, let name):
            switch length {
            case _ where name.isEmpty: Styled(did)
            case .short: Styled(name)
            case .full: Styled(view.width == nil ? "\(did) (\(name))" : "\(name) (\(did))")
            }
        }
    }
}

extension Table.Cell: ExpressibleByStringInterpolation {
    init(stringLiteral text: String) {
        self = .text(text)
    }
}
