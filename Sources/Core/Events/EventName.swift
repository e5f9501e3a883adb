/// The name of an event: `service[.resource.path].verb[.stage]` (dreamfactory.md §7.1).
public struct EventName: Sendable, Hashable {
    /// Without the stage: `math.add.get`.
    public let event: String
    public let stage: EventStage

    /// In characters; the reference has 80.
    public static let longest = 250

    /// What a name must look like, for messages.
    public static let rule =
        "service[.path].verb with .pre_process, .post_process or .queued behind it, or nothing; the verb is get, post, put,"
        + " patch, delete, head or options. Example: math.add.get.post_process"

    /// Nil for what is no event's name.
    public init?(_ text: String) {
        var parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.count <= Self.longest, text.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F }) else {
            return nil
        }
        stage = parts.last.flatMap { $0.isEmpty ? nil : EventStage(rawValue: String($0)) } ?? .plain
        if stage != .plain { parts.removeLast() }
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty }),
            let verb = parts.last.flatMap({ Verb(rawValue: $0.uppercased()) }),
            parts.last.map(String.init) == verb.eventPart
        else { return nil }
        event = parts.joined(separator: ".")
    }
}

extension Verb {
    /// The verb as events' names have it.
    public var eventPart: String { rawValue.lowercased() }
}
