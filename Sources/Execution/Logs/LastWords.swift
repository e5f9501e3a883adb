/// What a script said last on its standard error, as far as it means something to people.
///
/// A runtime that crashes adds the frames and addresses of its own code, and paths of this machine: they are nobody's to see.
struct LastWords {
    /// Nil where nothing was said.
    private(set) var text: String?
    /// Whether the runtime has said why it crashed, which nothing after it outweighs.
    private var isFinal = false
    private var isCrashing = false

    private static let headings: Set = [
        "<--- Last few GCs --->", "<--- JS stacktrace --->", "----- Native stack trace -----",
        "----- JavaScript stack trace -----",
    ]

    /// - Returns: false where the line is a crashing runtime's own and not to be kept.
    mutating func hear(_ line: String) -> Bool {
        if line.hasSuffix("-") || line.hasSuffix(">"), Self.headings.contains(line) {
            isCrashing = true
            return false
        }
        if isCrashing, Self.isInner(line) { return false }
        if line.hasPrefix("FATAL ERROR: ") || line.hasPrefix("# Fatal ") {
            text = line
            isFinal = true
        } else if !line.isEmpty, !isFinal {
            text = line
        }
        return true
    }

    /// Such as ` 1: 0xb78db3 node::OOMErrorHandler(…) [/usr/bin/node]` and `[29928:0x1e187820] 817 ms: Scavenge …`.
    private static func isInner(_ line: String) -> Bool {
        let rest = line.drop { $0 == " " }
        let number = rest.prefix { $0.isNumber }
        return rest.isEmpty || !number.isEmpty && rest.dropFirst(number.count).hasPrefix(": ")
            || rest.hasPrefix("[") && rest.contains(":0x")
    }
}
