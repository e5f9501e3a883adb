/// The values that a session can look up: the account's own before its role's, those before the app's, those before the
/// tenant's (dreamfactory.md §9.5). Private ones are a table of their own, which is asked first.
public struct LookupTable: Sendable {
    /// What may be shown: `platform.session.lookup`.
    public private(set) var shown: [String: String] = [:]
    /// What scripts get only by asking for it.
    public private(set) var hidden: [String: String] = [:]

    public init() {}

    /// - Parameter lists: the strongest first.
    public init(_ lists: [[Lookup]]) {
        for lookup in lists.joined() {
            if lookup.isPrivate {
                hidden[lookup.name] = hidden[lookup.name] ?? lookup.value
            } else {
                shown[lookup.name] = shown[lookup.name] ?? lookup.value
            }
        }
    }

    /// The same private values, with these to be shown.
    public func showing(_ values: [String: String]) -> LookupTable {
        var table = self
        table.shown = values
        return table
    }

    /// Nil for a name that nobody has.
    public subscript(name: String) -> String? { hidden[name] ?? shown[name] }
}
