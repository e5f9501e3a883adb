/// When a script of an event runs (dreamfactory.md §7.1). The raw value ends the event's name.
public enum EventStage: String, Sendable, Hashable, CaseIterable {
    /// Before the service, which it may keep from running.
    case before = "pre_process"
    /// After the service, also where that failed.
    case after = "post_process"
    /// After all that, without a say in the response. The name has no ending.
    case plain = ""
    /// As a job of its own, when the response is on its way.
    case queued = "queued"

    /// `event.stage`
    public var label: String { self == .plain ? "api" : rawValue }

    /// The name of the event at this stage.
    public func name(of event: String) -> String {
        self == .plain ? event : "\(event).\(rawValue)"
    }
}
