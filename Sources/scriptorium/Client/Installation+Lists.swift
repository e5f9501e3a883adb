import Core

extension Installation {
    /// All elements of a list, over as many pages as it has.
    /// - Parameters:
    ///   - query: what is nil is left out.
    ///   - limit: how many at most; nil: all.
    func list(
        _ path: String, _ query: [(String, String?)], limit: Int? = nil, as caller: Caller
    ) async throws -> [JSONText] {
        var elements: [JSONText] = []
        var cursor: String?
        repeat {
            var parts = query
            if let limit { parts.append(("limit", String(min(limit - elements.count, 100)))) }
            parts.append(("cursor", cursor))
            let text = parts.compactMap { key, value in value.map { "\(key)=\(PathText.encoded($0))" } }
            let page = try await json(
                "GET", text.isEmpty ? path : "\(path)?\(text.joined(separator: "&"))", as: caller)
            let resource = page["resource"]?.elements ?? []
            elements += resource
            // A page without anything is the last, whatever it says.
            cursor = resource.isEmpty ? nil : page["meta"]?["next"]?.string
        } while cursor != nil && elements.count < limit ?? .max
        return elements
    }
}

/// A name or value as a part of a URL.
enum PathText {
    static func encoded(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                out.unicodeScalars.append(Unicode.Scalar(byte))
            default: out += "%" + Hex.encode([byte]).uppercased()
            }
        }
        return out
    }
}

/// Prints one object.
func say(_ object: JSONText, _ format: FormatOptions) {
    say(format.json ? object.text : Table.facts(object))
}

/// Prints a list: in JSON one object a line, else a table of these keys.
func say(_ list: [JSONText], _ format: FormatOptions, _ keys: [String]) {
    if format.json {
        for element in list { say(element.text) }
    } else {
        say(Table(list, keys).text)
    }
}
