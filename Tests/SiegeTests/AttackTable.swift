import Core
import TestSupport

/// One row of a table: a hostile script, and how exactly it must end.
struct Attack: Sendable {
    var language: ScriptLanguage
    var name: String
    var source: String
    /// One for each tier.
    var ends: [SandboxTier: End]
    /// For those that wait until they are stopped.
    var wall: Duration?

    /// How a script ends. That it ends well or badly is not enough: a failed harness can look like containment.
    enum End: Sendable, Equatable {
        /// It returns this, as JSON without spaces.
        case value(String)
        /// The quota with this key ends it.
        case limit(String)
        /// It fails with an error of this kind, whose message holds this.
        case error(String, String)
        case exited(Int32)
        case crashed(Int32)
        /// It breaks the protocol; the words say how.
        case violation(String)
    }
}

/// The attacks of one language, as they stand in `attacks/LANGUAGE.txt`.
///
/// A row begins with `=== NAME`. The lines up to `---` say how it ends: the letters of tiers, a colon, and an end, as
/// `AB: limit max_processes`, `C: value "EPERM"`, `ABC: error thrown out of memory`, `ABC: exit 0`, `ABC: signal 9` or
/// `ABC: violation TEXT`, the same with control groups and without. A row is for those tiers only that it names. Lines
/// that begin with two spaces go on with the line above. `wall: SECONDS` sets a limit of its own. What follows `---` is
/// the script. The first row, `prelude`, stands before every script.
struct AttackTable {
    let attacks: [Attack]

    struct Fault: Error {
        var line: Substring
    }

    init(_ language: ScriptLanguage) throws {
        try self.init(language, text: try Checkout.text("Tests/SiegeTests/attacks/\(language.rawValue).txt"))
    }

    init(_ language: ScriptLanguage, text: String) throws {
        var attacks: [Attack] = []
        var prelude = ""
        for row in text.split(separator: "\n=== ").dropFirst() {
            guard let cut = row.firstRange(of: "\n---\n") else { throw Fault(line: row) }
            let head = row[..<cut.lowerBound].replacing("\n  ", with: "").split(separator: "\n")
            let source = String(row[cut.upperBound...])
            guard let name = head.first else { throw Fault(line: row) }
            if name == "prelude" {
                prelude = source
                continue
            }
            var attack = Attack(language: language, name: String(name), source: prelude + source, ends: [:])
            for line in head.dropFirst() { try attack.take(line) }
            attacks.append(attack)
        }
        self.attacks = attacks
    }
}

extension Attack {
    fileprivate mutating func take(_ line: Substring) throws {
        guard let colon = line.firstRange(of: ": ") else { throw AttackTable.Fault(line: line) }
        let (key, text) = (line[..<colon.lowerBound], line[colon.upperBound...])
        if key == "wall" {
            wall = .seconds(Int(text) ?? 1)
            return
        }
        guard let end = End(text) else { throw AttackTable.Fault(line: line) }
        for letter in key {
            guard let tier = SandboxTier(rawValue: String(letter)) else { throw AttackTable.Fault(line: line) }
            ends[tier] = end
        }
    }
}

extension Attack.End {
    fileprivate init?(_ text: Substring) {
        let words = text.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return nil }
        let rest = String(words[1])
        switch words[0] {
        case "value": self = .value(rest)
        case "limit": self = .limit(rest)
        case "exit": self = .exited(Int32(rest) ?? -1)
        case "signal": self = .crashed(Int32(rest) ?? -1)
        case "violation": self = .violation(rest)
        case "error":
            let parts = rest.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            self = .error(String(parts[0]), String(parts[1]))
        default: return nil
        }
    }

    /// How a script has ended; nil where our own machinery has failed.
    init?(_ ending: AttemptReport.Ending) {
        switch ending {
        case .result(let result):
            if let error = result.error {
                self = .error(error.kind.rawValue, error.message)
            } else {
                self = .value(result.returned?.text ?? "nothing")
            }
        case .limit(let hit): self = .limit(hit.key)
        case .exited(let code, _): self = .exited(code)
        case .crashed(let signal, _): self = .crashed(signal)
        case .violation(let what): self = .violation(what)
        case .cancelled, .lost: return nil
        }
    }

    /// Whether an ending is this one: texts of errors and faults need only hold what was expected.
    func isMet(by other: Self) -> Bool {
        switch (self, other) {
        case (.error(let kind, let text), .error(let otherKind, let message)):
            kind == otherKind && message.contains(text)
        case (.violation(let text), .violation(let what)): what.contains(text)
        // Which of two limits a bomb meets first is the kernel's business.
        case (.limit(let keys), .limit(let key)): keys.split(separator: " or ").contains(key[...])
        default: self == other
        }
    }
}
