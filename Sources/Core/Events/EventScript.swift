/// A script that is bound to an event, without its source: which one runs, and what it may do.
public struct EventScript: Sendable, Hashable {
    public var id: Int64
    /// The whole name, such as `math.add.get.pre_process`.
    public var name: String
    /// The version that runs: a save after a job's acceptance changes nothing for that job.
    public var version: Int32
    public var language: ScriptLanguage
    /// Whether what the script does to the event counts.
    public var allowsModification: Bool

    public init(id: Int64, name: String, version: Int32, language: ScriptLanguage, allowsModification: Bool) {
        self.id = id
        self.name = name
        self.version = version
        self.language = language
        self.allowsModification = allowsModification
    }

    public var stage: EventStage { EventName(name)?.stage ?? .plain }

    /// As a job's payload carries it.
    public var json: JSONText {
        .array([
            .integer(id), .string(name), .integer(version), .string(language.rawValue), .bool(allowsModification),
        ])
    }

    /// Reads ``json``; nil where it is damaged, or of a language that this program does not know.
    public init?(json: JSONText) {
        let parts = json.elements
        guard parts.count == 5, let id = parts[0].integer, let name = parts[1].string, let version = parts[2].integer,
            let language = parts[3].string.flatMap(ScriptLanguage.init(rawValue:)), let allows = parts[4].bool
        else { return nil }
        self.init(
            id: Int64(id), name: name, version: Int32(version), language: language, allowsModification: allows)
    }
}
