import Core
import HTTPTypes

/// The id of an HTTP request: the caller's own where it is sane, else a fresh one.
enum RequestID {
    private static let header = HTTPField.Name("X-Request-Id")

    static func taken(from headers: HTTPFields) -> String? {
        guard let header, let given = headers[header], (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                    true
                default: false
                }
            })
        else { return nil }
        return given
    }

    static func fresh() -> String { RandomSecret.hex(bytes: 16) }
}
