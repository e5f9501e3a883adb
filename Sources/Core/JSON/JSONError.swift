/// Why a text is not acceptable JSON, and where.
public struct JSONError: Error, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        case notUTF8
        case unexpectedEnd
        case unexpectedCharacter
        case invalidNumber
        case invalidEscape
        case controlCharacter
        case loneSurrogate
        case tooDeep
        case nul
        case trailingText
    }

    public let code: Code
    /// Counted from 1; 0 where the place is not known.
    public let line: Int
    /// Counted from 1, in bytes; 0 where the place is not known.
    public let column: Int

    public init(_ code: Code, line: Int, column: Int) {
        self.code = code
        self.line = line
        self.column = column
    }

    public var description: String {
        let what =
            switch code {
            case .notUTF8: "the text is not valid UTF-8"
            case .unexpectedEnd: "the text ends too early"
            case .unexpectedCharacter: "unexpected character"
            case .invalidNumber: "invalid number"
            case .invalidEscape: "invalid escape in a string"
            case .controlCharacter: "a control character in a string must be escaped"
            case .loneSurrogate: "half of a surrogate pair in a string"
            case .tooDeep: "nested deeper than \(JSONText.maximumDepth) levels"
            case .nul: "the character NUL (\\u0000) in a string, which is not accepted"
            case .trailingText: "unexpected text after the value"
            }
        return line == 0 ? what : "\(what) at line \(line), column \(column)"
    }
}
