import Testing

/// A script and what its call must give (dreamfactory.md §14).
struct Probe: Sendable, CustomTestStringConvertible {
    let script: String
    let status: Int
    /// The whole body; nil where only the message counts.
    var body: String?
    /// `error.message`, whole.
    var message: String?
    /// A part of `error.message`.
    var mentions: String?
    var code: Int?
    /// Whether the answer is what the script printed: a page.
    var isPrinted = false
    var header: (name: String, value: String)?
    /// The whole log. `NAME` stands for the service's name, here and in the body.
    var logs: String?

    var testDescription: String { script }

    static func gives(_ status: Int, _ body: String, _ script: String) -> Probe {
        Probe(script: script, status: status, body: body)
    }

    static func prints(_ status: Int, _ body: String, _ script: String) -> Probe {
        Probe(script: script, status: status, body: body, isPrinted: true)
    }

    static func fails(_ status: Int, _ message: String, _ script: String, code: Int? = nil) -> Probe {
        Probe(script: script, status: status, message: message, code: code)
    }

    static func failsWith(_ status: Int, mentioning text: String, _ script: String) -> Probe {
        Probe(script: script, status: status, mentions: text)
    }
}
