import Core

/// The events of a call: their names without the stage, the general one first (dreamfactory.md §7.1).
struct EventPath: Sendable {
    let events: [String]
    /// `event.resource` for the scripts of these events.
    let resource: JSONText

    /// - Parameter service: the script service that is called; nil for a service of the platform's own.
    init(_ request: ServiceRequest, service: TenantService?) {
        let name = service?.name ?? request.service
        let templates = service.map { $0.paths.map(\.template) } ?? BuiltInEvents.templates[request.service] ?? []
        func event(_ path: String) -> String {
            ([name] + path.split(separator: "/").map(String.init) + [request.verb.eventPart]).joined(separator: ".")
        }
        let specific = event(request.resource)
        let found = templates.lazy.compactMap { template in
            template.match(request.resource).map { (template, $0) }
        }.first
        guard let (template, parameters) = found, !parameters.isEmpty else {
            events = [specific]
            // Resources of the platform's own end where their record begins.
            resource = .string(service == nil ? "" : request.resource)
            return
        }
        events = [event(template.text), specific]
        resource =
            service == nil
            ? .string(parameters.last?.value ?? "") : .object(parameters.map { ($0.name, .string($0.value)) })
    }

    /// The scripts of these events, in the order in which they run. A queued script runs only where the plain event has none.
    func scripts(_ known: [String: EventScript]) -> [EventScript] {
        guard !known.isEmpty else { return [] }
        func bound(_ stage: EventStage) -> [EventScript] { events.compactMap { known[stage.name(of: $0)] } }
        let last = events.compactMap { known[EventStage.plain.name(of: $0)] ?? known[EventStage.queued.name(of: $0)] }
        return bound(.before) + bound(.after) + last
    }
}
