import Core

/// What a script may say about its response, beside the content.
enum ResponseHeaders {
    /// The status that a script gave: a number, or its text. What is no HTTP status becomes 500.
    static func status(_ value: JSONText?) -> Int {
        guard let value else { return 200 }
        guard let number = value.integer ?? value.string.flatMap({ Int($0) }), known.contains(number) else {
            return 500
        }
        return number
    }

    /// The statuses that the reference knows; others become 500 there too.
    private static let known: Set<Int> = Set([
        200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308,
    ]).union(400...418).union([421, 422, 423, 424, 425, 426, 428, 429, 431, 451]).union(500...508).union([510, 511])

    /// Headers of the connection are not the script's, and what is no header text would break the message.
    static func maySet(_ name: String, _ value: String) -> Bool {
        let reserved: Set<String> = [
            "content-type", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer",
            "te", "date", "server", "x-request-id", "x-scriptorium-job",
        ]
        return !reserved.contains(name.lowercased()) && isToken(name) && isHeaderText(value)
    }

    /// A token of RFC 9110 §5.6.2.
    static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    static func isHeaderText(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
