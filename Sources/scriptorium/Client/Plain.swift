import Core

/// What others wrote, made fit for a terminal: no control character of theirs reaches it.
enum Plain {
    /// - Parameter lines: whether line breaks and tabs stay.
    static func text(_ text: String, lines: Bool = false) -> String {
        var plain = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            let mayStay = lines && (scalar == "\n" || scalar == "\t")
            plain.append(isControl && !mayStay ? "\u{FFFD}" : scalar)
        }
        return String(plain)
    }

    /// A JSON value as people read it.
    static func value(_ json: JSONText?) -> String {
        guard let json, !json.isNull else { return "-" }
        let plain = text(json.string ?? json.text)
        return plain.isEmpty ? "-" : plain
    }
}
