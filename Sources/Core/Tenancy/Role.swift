/// Which services, components and verbs a caller may use.
public struct Role: Sendable, Hashable {
    /// One row of a role. Rows that match a call equally well add up.
    public struct Access: Sendable, Hashable {
        /// The service's name; nil stands for every service except `system`.
        public var service: String?
        /// `*`, a path with `/*` at its end, or an exact component.
        public var component: String
        public var verbMask: Int
        public var requestorMask: Int
        /// The row's own number; 0 where it has none.
        public var id: Int64 = 0
        /// The service's number; nil for one of the platform's own, and for every service.
        public var serviceID: Int64?
        /// `[{"name","operator","value"}]`, for services that have records.
        public var filters = JSONText(trusted: "[]")
        public var filterOp = "AND"

        public init(service: String?, component: String, verbMask: Int, requestorMask: Int) {
            self.service = service
            self.component = component
            self.verbMask = verbMask
            self.requestorMask = requestorMask
        }
    }

    public var id: Int64
    public var name: String
    public var accesses: [Access]
    /// A role that was switched off or deleted allows nothing, and stays the role of who has it.
    public var isActive: Bool

    public init(id: Int64, name: String, accesses: [Access], isActive: Bool = true) {
        self.id = id
        self.name = name
        self.accesses = accesses
        self.isActive = isActive
    }

    /// Whether the role lets `requestor` use `verb` on `component` of `service`.
    ///
    /// The best class of matching rows decides, and its rows add up: the exact component, then wildcards `path/*`, then
    /// `*` of the service, then rows without a service (dreamfactory.md §9.3). A row without a service never covers `system`.
    public func allows(_ verb: Verb, _ service: String, _ component: String, as requestor: Requestor) -> Bool {
        guard isActive else { return false }
        let rows = accesses.filter { $0.requestorMask & requestor.rawValue != 0 }
        let own = rows.filter { $0.service == service }
        let classes: [[Access]] = [
            own.filter { $0.component == component },
            own.filter { $0.component.hasSuffix("/*") && component.hasPrefix($0.component.dropLast()) },
            own.filter { $0.component == "*" || $0.component.isEmpty && component.isEmpty },
            service == "system" ? [] : rows.filter { $0.service == nil },
        ]
        guard let best = classes.first(where: { !$0.isEmpty }) else { return false }
        return best.reduce(0) { $0 | $1.verbMask } & verb.mask != 0
    }
}
