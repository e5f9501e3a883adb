import FoundationEssentials

/// `multipart/form-data` (RFC 7578) as a map of its fields. A file is `{"name","type","size","content","content_base64"}`
/// under its field's name: its content as a text, or, where it is none, in base64.
public struct MultipartReader {
    /// One of the parts between two boundaries.
    private struct Part {
        let name: String
        let file: String?
        let type: String
        let content: ArraySlice<UInt8>
    }

    private static let longestHead = 8192
    private static let longestBoundary = 200

    /// - Parameter type: the request's content type, which names the boundary.
    /// - Returns: nil where the body is not what its type says.
    public static func json(_ body: [UInt8], type: String) -> JSONText? {
        guard let boundary = parameter("boundary", of: type), (1...longestBoundary).contains(boundary.utf8.count),
            !boundary.utf8.contains(where: { $0 < 0x20 })
        else { return nil }
        let tree = ParameterTree()
        guard let pieces = split(body, at: Array("\r\n--\(boundary)".utf8)) else { return nil }
        for piece in pieces.prefix(ParameterTree.mostValues) {
            guard let part = part(piece) else { return nil }
            tree.insert(value(of: part), at: part.name)
        }
        return tree.json
    }

    /// The pieces between the boundaries: the first boundary may stand at the start, the last is followed by `--`.
    /// The boundary holds one line end, at its start: what looks like it and is not costs no more than its own length.
    private static func split(_ body: [UInt8], at boundary: [UInt8]) -> [ArraySlice<UInt8>]? {
        var pieces: [ArraySlice<UInt8>] = []
        // Nil before the first boundary: what stands there is for people.
        var start: Int?
        var position = 0
        if body.starts(with: boundary.dropFirst(2)), let ending = ending(body, at: boundary.count - 2) {
            guard ending == .line else { return [] }
            position = boundary.count - 2
            start = position
        }
        while pieces.count <= ParameterTree.mostValues {
            guard let next = body[position...].firstIndex(of: 0x0D) else { return nil }
            let behind = next + boundary.count
            guard body[next...].starts(with: boundary), let ending = ending(body, at: behind) else {
                position = next + 1
                continue
            }
            if let start { pieces.append(body[start..<next]) }
            guard ending == .line else { return pieces }
            position = behind
            start = position
        }
        return pieces
    }

    private enum Ending {
        /// A part follows.
        case line
        /// It was the last.
        case end
    }

    /// What comes behind a boundary; nil where it only began like one.
    private static func ending(_ body: [UInt8], at position: Int) -> Ending? {
        let rest = body[position...]
        if rest.starts(with: Array("--".utf8)) { return .end }
        return rest.drop { $0 == 0x20 || $0 == 0x09 }.starts(with: [0x0D, 0x0A]) ? .line : nil
    }

    private static func part(_ piece: ArraySlice<UInt8>) -> Part? {
        // The rest of the boundary's line, then the head, an empty line, and the content.
        let head = piece.prefix(longestHead)
        guard let end = firstEmptyLine(head) else { return nil }
        var disposition = ""
        var type = ""
        for line in String(decoding: head[..<end], as: UTF8.self).split(separator: "\r\n") {
            let words = line.split(separator: ":", maxSplits: 1)
            guard words.count == 2 else { continue }
            let value = String(words[1].trimming { $0 == " " || $0 == "\t" })
            switch words[0].lowercased() {
            case "content-disposition": disposition = value
            case "content-type": type = value
            default: break
            }
        }
        guard let name = parameter("name", of: disposition) else { return nil }
        return Part(
            name: name, file: parameter("filename", of: disposition), type: type, content: piece[(end + 4)...])
    }

    private static func firstEmptyLine(_ head: ArraySlice<UInt8>) -> Int? {
        let end: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A]
        return head.indices.first { head[$0] == 0x0D && head[$0...].starts(with: end) }
    }

    private static func value(of part: Part) -> JSONText {
        let text = String(validating: part.content, as: UTF8.self).flatMap { $0.utf8.contains(0) ? nil : $0 }
        guard let file = part.file else { return .string(text ?? "--non-parsable-data--") }
        return .object([
            ("name", .string(file)), ("type", .string(part.type.isEmpty ? "application/octet-stream" : part.type)),
            ("size", .integer(part.content.count)), ("content", .string(text)),
            ("content_base64", text == nil ? .string(Data(part.content).base64EncodedString()) : .null),
        ])
    }

    /// `name` of `form-data; name="a"; filename="b.txt"`, with or without quotes, inside which `\"` and `%22` are quotes.
    private static func parameter(_ name: String, of value: String) -> String? {
        var rest = value[...]
        while let semicolon = rest.firstIndex(of: ";") {
            rest = rest[rest.index(after: semicolon)...].trimmingPrefix { $0 == " " || $0 == "\t" }
            guard let equals = rest.firstIndex(where: { $0 == "=" || $0 == ";" }), rest[equals] == "=" else { continue }
            let key = rest[..<equals].trimming { $0 == " " }.lowercased()
            rest = rest[rest.index(after: equals)...]
            let (text, end) = quoted(rest) ?? plain(rest)
            if key == name { return text.replacing("%22", with: "\"").replacing("\0", with: "") }
            rest = end
        }
        return nil
    }

    private static func plain(_ rest: Substring) -> (String, Substring) {
        let text = rest.prefix { $0 != ";" }
        return (String(text.trimming { $0 == " " || $0 == "\t" }), rest[text.endIndex...])
    }

    private static func quoted(_ rest: Substring) -> (String, Substring)? {
        guard rest.first == "\"" else { return nil }
        var text = ""
        var place = rest.index(after: rest.startIndex)
        while place < rest.endIndex, rest[place] != "\"" {
            let next = rest.index(after: place)
            // Browsers escape with a percent sign; a backslash stands for itself but before a quote.
            if rest[place] == "\\", next < rest.endIndex, rest[next] == "\"" { place = next }
            text.append(rest[place])
            place = rest.index(after: place)
        }
        return place < rest.endIndex ? (text, rest[rest.index(after: place)...]) : nil
    }
}
