/// The parts of a checked JSON text in their order, read once from end to end however deep it nests.
struct JSONTokens: Sequence, IteratorProtocol {
    enum Token {
        case openObject, closeObject, openArray, closeArray
        case key(String)
        /// Text, number, boolean or null, as it was written.
        case value(JSONText)
    }

    private let bytes: [UInt8]
    private var position = 0
    /// For each object or array around the position, whether it is an object.
    private var isObject: [Bool] = []
    private var expectsKey = false

    init(_ json: JSONText) {
        bytes = Array(json.text.utf8)
    }

    mutating func next() -> Token? {
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                position += 1
                isObject.append(byte == UInt8(ascii: "{"))
                expectsKey = isObject.last == true
                return expectsKey ? .openObject : .openArray
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                position += 1
                isObject.removeLast()
                expectsKey = false
                return byte == UInt8(ascii: "}") ? .closeObject : .closeArray
            case UInt8(ascii: ","):
                position += 1
                expectsKey = isObject.last == true
            case UInt8(ascii: ":"):
                position += 1
                expectsKey = false
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return scalar()
            }
        }
        return nil
    }

    private mutating func scalar() -> Token {
        let start = position
        if bytes[position] == UInt8(ascii: "\"") {
            position += 1
            while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            position += 1
        } else {
            while position < bytes.count, !Self.ends(bytes[position]) { position += 1 }
        }
        let text = JSONText(trusted: String(decoding: bytes[start..<Swift.min(position, bytes.count)], as: UTF8.self))
        return expectsKey ? .key(text.string ?? "") : .value(text)
    }

    private static func ends(_ byte: UInt8) -> Bool {
        byte <= 0x20 || byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
    }
}
