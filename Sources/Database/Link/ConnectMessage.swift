/// What libpq says, in its verbose form, of a connection that did not come about.
struct ConnectMessage: Sendable {
    /// The first line, without the server's code. It holds no password.
    let text: String
    /// The server's SQLSTATE, where it has refused; nil where several servers were tried and not all refused for the
    /// same reason.
    let sqlState: String?

    init(_ message: String) {
        let lines = message.split(separator: "\n").map(String.init)
        text = (lines.first ?? "").replacing(#/:  [0-9A-Z]{5}: /#, with: ": ", maxReplacements: 1)
        let states = lines.filter { $0.contains(" failed: ") }.map { line in
            // `FATAL:  28P01: ...`; the first word may be in the server's language.
            line.firstMatch(of: #/:  ([0-9A-Z]{5}): /#).map { String($0.output.1) }
        }
        sqlState = states.first.flatMap { first in states.allSatisfy { $0 == first } ? first : nil }
    }
}
