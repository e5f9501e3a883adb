/// A script's source with the values of its lookups in it.
///
/// A placeholder is replaced inside of string literals and nowhere else, by escapes of the language that mean the value and can not be
/// code: whatever a value holds, it is text. What stands in code or in a comment stays as it is written. No line is added or taken.
public struct ScriptSource: Sendable {
    /// A placeholder, and the line where it stands, counted from 1.
    public struct Mention: Sendable, Hashable {
        public let expression: String
        public let line: Int
    }

    /// Why a source can not be run.
    public struct TooLarge: Error, Sendable {
        public let message: String
    }

    public private(set) var text: String
    public private(set) var replaced: [Mention] = []
    /// Known names between braces that are not in a string.
    public private(set) var left: [Mention] = []

    /// The largest source that values may make, in bytes.
    private static let largest = 4 << 20

    /// - Parameter resolve: the value of a name; nil where it means nothing.
    /// - Throws: ``TooLarge``
    public init(_ source: String, language: ScriptLanguage, resolve: (String) -> String?) throws(TooLarge) {
        text = source
        let bytes = Array(source.utf8)
        let placeholders = Placeholder.all(in: bytes, resolve: resolve)
        guard !placeholders.isEmpty else { return }
        let texts =
            switch language.rawValue {
            case "php": PHPLiterals.texts(bytes)
            case "python", "python3": PythonLiterals.texts(bytes, isTwo: language.rawValue == "python")
            default: JavaScriptLiterals.texts(bytes)
            }
        var out: [UInt8] = []
        var end = 0
        var lines = LineCounter(bytes)
        var pending = placeholders[...]
        for text in texts {
            while let next = pending.first, next.range.lowerBound < text.content.lowerBound {
                left.append(Mention(expression: next.expression, line: lines.line(at: next.range.lowerBound)))
                pending.removeFirst()
            }
            let inside = pending.prefix { $0.range.upperBound <= text.content.upperBound }
            pending = pending.dropFirst(inside.count)
            let meant = inside.filter {
                text.writing.mayReplace($0.range.lowerBound, bytes, from: text.content.lowerBound)
            }
            guard !meant.isEmpty else { continue }
            replaced += meant.map { Mention(expression: $0.expression, line: lines.line(at: $0.range.lowerBound)) }
            if text.writing.isInPlace {
                for placeholder in meant {
                    out += bytes[end..<placeholder.range.lowerBound]
                    out += text.writing.escaped(placeholder.value)
                    end = placeholder.range.upperBound
                }
            } else {
                out += bytes[end..<text.literal.lowerBound]
                out += Self.filled(text, meant, bytes)
                end = text.literal.upperBound
            }
            guard out.count <= Self.largest else {
                throw TooLarge(message: "The values of its lookups make the script larger than \(Self.largest) bytes.")
            }
        }
        left += pending.map { Mention(expression: $0.expression, line: lines.line(at: $0.range.lowerBound)) }
        guard !replaced.isEmpty else { return }
        self.text = String(decoding: out + bytes[end...], as: UTF8.self)
    }

    /// A literal that is written anew, with its placeholders filled in.
    private static func filled(_ text: LiteralText, _ placeholders: [Placeholder], _ bytes: [UInt8]) -> [UInt8] {
        var body: [UInt8] = []
        var end = text.content.lowerBound
        for placeholder in placeholders {
            body += text.writing.rewritten(String(decoding: bytes[end..<placeholder.range.lowerBound], as: UTF8.self))
            body += text.writing.escaped(placeholder.value)
            end = placeholder.range.upperBound
        }
        body += text.writing.rewritten(String(decoding: bytes[end..<text.content.upperBound], as: UTF8.self))
        return text.writing.literal(body)
    }
}

extension LiteralText.Writing {
    /// Whether a brace begins a placeholder: not behind a backslash that means it, nor behind the dollar of a template.
    fileprivate func mayReplace(_ brace: Int, _ bytes: [UInt8], from start: Int) -> Bool {
        var backslashes = 0
        while brace - backslashes > start, bytes[brace - backslashes - 1] == UInt8(ascii: "\\") { backslashes += 1 }
        guard backslashes % 2 == 0 else { return false }
        return !(brace > start && bytes[brace - 1] == UInt8(ascii: "$"))
    }
}

/// Counts lines on the way through a text.
private struct LineCounter {
    private let bytes: [UInt8]
    private var place = 0
    private var line = 1

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// Places must not go back.
    mutating func line(at next: Int) -> Int {
        while place < next {
            if bytes[place] == 0x0A { line += 1 }
            place += 1
        }
        return line
    }
}
