/// What a `.queued` script is told when its job runs: the event as it was when the service had answered.
public struct QueuedEvent: Sendable {
    public var script: EventScript
    /// `event.resource`
    public var resource: JSONText
    /// `event.response`
    public var response: JSONText

    public init(script: EventScript, resource: JSONText, response: JSONText) {
        self.script = script
        self.resource = resource
        self.response = response
    }

    /// As a job's payload carries it.
    public var json: JSONText {
        .object([("script", script.json), ("resource", resource), ("response", response)])
    }

    /// Reads ``json``; nil where it is damaged.
    public init?(json: JSONText) {
        guard let script = json["script"].flatMap(EventScript.init(json:)), let resource = json["resource"],
            let response = json["response"]
        else { return nil }
        self.init(script: script, resource: resource, response: response)
    }
}
