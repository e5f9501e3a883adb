import FoundationEssentials

/// What can be made of a value between braces: `{urlencode(name)}`. The names and their meaning are PHP's, the list is
/// DreamFactory's.
enum LookupModifier: String, CaseIterable {
    case strtoupper, strtolower, ucfirst, lcfirst, ucwords, urlencode, urldecode, rawurlencode, rawurldecode
    case base64Encode = "base64_encode"
    case base64Decode = "base64_decode"
    case trim

    func applied(to value: String) -> String {
        switch self {
        case .strtoupper: Self.mapped(value) { Self.upper($0) }
        case .strtolower: Self.mapped(value) { Self.lower($0) }
        case .ucfirst: Self.withFirst(value, Self.upper)
        case .lcfirst: Self.withFirst(value, Self.lower)
        case .ucwords: Self.words(value)
        case .urlencode: Query.encode(value).replacing("%20", with: "+").replacing("~", with: "%7E")
        case .rawurlencode: Query.encode(value)
        case .urldecode: Query.decode(value, plusIsSpace: true)
        case .rawurldecode: Query.decode(value)
        case .base64Encode: Data(value.utf8).base64EncodedString()
        case .base64Decode: Self.base64Decoded(value)
        case .trim: String(value.trimming { " \n\r\r\n\t\u{B}\0".contains($0) })
        }
    }

    /// Only ASCII letters have a case here, as in PHP 8.
    private static func upper(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) ? byte - 32 : byte
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
    }

    private static func mapped(_ value: String, _ change: (UInt8) -> UInt8) -> String {
        String(decoding: value.utf8.map(change), as: UTF8.self)
    }

    private static func withFirst(_ value: String, _ change: (UInt8) -> UInt8) -> String {
        var bytes = Array(value.utf8)
        if let first = bytes.first { bytes[0] = change(first) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func words(_ value: String) -> String {
        var isStart = true
        return mapped(value) { byte in
            defer { isStart = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D].contains(byte) }
            return isStart ? upper(byte) : byte
        }
    }

    /// Characters that are none of base64 are skipped, as PHP skips them.
    private static func base64Decoded(_ value: String) -> String {
        var text = value.utf8.filter { byte in
            Lookup.isWord(byte) && byte != UInt8(ascii: "_") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
        }
        if text.count % 4 == 1 { text.removeLast() }
        text += Array(repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
        return Data(base64Encoded: Data(text)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
