import Core
import Testing

/// Whatever strangers send, a reader gives JSON or nothing, and whatever JSON there is, a writer gives what can be read.
@Suite struct ContentFuzzTests {
    /// The same sequence for the same seed, so that what was found once is found again.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    /// Pieces that mean something to one of the readers, in any order, and a few bytes that mean nothing.
    private static let pieces = [
        "<", ">", "</", "/>", "<a", "<a>", "</a>", "<b x='1'>", "</b>", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>",
        "&amp;", "&#x41;",
        "&#", ";", "&", "=", "'", "\"", ",", "\n", "\r", "\r\n", "\r\n--b", "--b", "--", "--b--", "\r\n\r\n", " ", "\t",
        "x", "é", "😀", "\u{0}",
        "\u{FEFF}", "a,b\n", "\"q\"", "Content-Disposition: form-data; name=", "filename=", "a[b]", "[", "]", "[]",
        "a[][c]=1&", "%41", "%", "<!DOCTYPE a>",
    ]

    private static func text(_ dice: inout Dice) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: 0...24, using: &dice) {
            bytes += Array((pieces.randomElement(using: &dice) ?? "").utf8)
            if Int.random(in: 0..<40, using: &dice) == 0 { bytes.append(UInt8.random(in: 0...255, using: &dice)) }
        }
        return bytes
    }

    private static func json(_ dice: inout Dice, depth: Int = 0) -> JSONText {
        let names = ["a", "b c", "1", "", "x:y", "é", "<", "resource", "error", "\"", "\u{1}"]
        switch Int.random(in: 0...(depth > 4 ? 3 : 5), using: &dice) {
        case 0: return .null
        case 1: return .bool(true)
        case 2: return .integer(Int.random(in: -5...5, using: &dice))
        case 3: return .string(String(decoding: text(&dice), as: UTF8.self))
        case 4: return .array((0..<Int.random(in: 0...3, using: &dice)).map { _ in json(&dice, depth: depth + 1) })
        default:
            return .object(
                (0..<Int.random(in: 0...3, using: &dice)).map { _ in
                    (names.randomElement(using: &dice) ?? "", json(&dice, depth: depth + 1))
                })
        }
    }

    @Test(arguments: [1, 2, 3, 4]) func readersGiveJSONOrNothing(seed: UInt64) throws {
        var dice = Dice(state: seed)
        for _ in 0..<5000 {
            let body = Self.text(&dice)
            let text = String(decoding: body, as: UTF8.self)
            let values = [
                XMLReader.json(text), XMLReader.json("<r>\(text)</r>"), CSVReader.json(text), Query.parameters(text),
                MultipartReader.json(body, type: "multipart/form-data; boundary=b"),
                MultipartReader.json(
                    Array("--b\r\nContent-Disposition: form-data; name=x\r\n\r\n".utf8) + body
                        + Array("\r\n--b--".utf8),
                    type: "multipart/form-data; boundary=b"),
                MultipartReader.json(body, type: "multipart/form-data; \(text)"),
            ]
            for value in values {
                guard let value else { continue }
                #expect(throws: Never.self, "\(text.debugDescription)") { try JSONText(checking: value.text) }
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4]) func whatIsWrittenCanBeRead(seed: UInt64) throws {
        var dice = Dice(state: seed)
        for _ in 0..<2000 {
            let json = Self.json(&dice)
            let xml = String(decoding: XMLWriter.bytes(json, limit: .max), as: UTF8.self)
            #expect(XMLReader.json(xml) != nil, "\(json.text) as \(xml)")
            let plain = String(decoding: XMLWriter.bytes(text: json.text, limit: .max), as: UTF8.self)
            let text = json.text
            #expect(XMLReader.json(plain)?.string == text, "\(plain)")
            let csv = String(decoding: CSVWriter.bytes(json, limit: .max), as: UTF8.self)
            let records = json.kind == .array ? json.elements : []
            if !records.isEmpty,
                records.allSatisfy({ $0.kind == .object && !$0.members.isEmpty })
            {
                #expect(CSVReader.json(csv)?.elements.count == records.count, "\(json.text) as \(csv)")
            }
        }
    }

    @Test func headersOfAnyKindAreTaken() {
        var dice = Dice(state: 9)
        for _ in 0..<5000 {
            let text = String(decoding: Self.text(&dice), as: UTF8.self)
            let accepted = AcceptedTypes(header: text)
            // What is echoed as a header's value must be one.
            #expect(accepted.entries.allSatisfy { $0.type.utf8.allSatisfy { (0x21...0x7E).contains($0) } })
            let request = ServiceRequest(verb: .get, service: "s", query: "file=\(Query.encode(text))&accept=\(text)")
            let disposition = Download(request)?.disposition ?? "x"
            #expect(disposition.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(disposition)")
            _ = AcceptedTypes(request)
        }
    }
}
