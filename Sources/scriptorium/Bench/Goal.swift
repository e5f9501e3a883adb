import Core

/// What a figure of a benchmark has to be.
struct Goal: Sendable {
    let name: String
    let key: String
    let value: Double
    let limit: Double
    let isMet: Bool

    static func atMost(_ limit: Double, _ name: String, _ key: String, _ value: Double) -> Goal {
        Goal(name: name, key: key, value: value, limit: limit, isMet: value <= limit)
    }

    static func atLeast(_ limit: Double, _ name: String, _ key: String, _ value: Double) -> Goal {
        Goal(name: name, key: key, value: value, limit: limit, isMet: value >= limit)
    }

    var json: JSONText {
        .object([
            ("goal", .string(key)), ("value", .rounded(value)), ("limit", .rounded(limit)), ("met", .bool(isMet)),
        ])
    }

    var text: String { "\(isMet ? "met   " : "missed")  \(name): \(value.shown)" }
}

extension Double {
    /// With three digits that count, for people.
    var shown: String {
        guard isFinite, abs(self) < 1e15 else { return "-" }
        let digits = self >= 100 ? 0 : self >= 10 ? 1 : 2
        let scale = digits == 0 ? 1.0 : digits == 1 ? 10 : 100
        let text = "\((self * scale).rounded() / scale)"
        return digits == 0 ? String(text.prefix { $0 != "." }) : text
    }
}

extension JSONText {
    /// A number with three digits behind the point.
    static func rounded(_ number: Double) -> JSONText {
        number.isFinite ? JSONText(trusted: "\((number * 1000).rounded() / 1000)") : .null
    }
}
