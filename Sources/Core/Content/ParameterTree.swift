/// Values under names in PHP's bracket syntax: `a[b]=1&a[c]=2&d[]=3` nests as PHP's `parse_str` does.
struct ParameterTree {
    private let root = Branch()

    /// How many values are read of a query or a form; more are dropped, as PHP's `max_input_vars` has it.
    static let mostValues = 1000
    /// Deep nesting is of no use to anybody and costs everybody who reads it.
    private static let deepest = 16

    /// - Parameter name: a value without one is dropped.
    func insert(_ value: JSONText, at name: String) {
        if !name.isEmpty { root.insert(value, at: Self.path(name)[...]) }
    }

    var json: JSONText { root.json }

    /// `a[b][]` as `["a", "b", ""]`; a name whose brackets do not pair is one key.
    private static func path(_ name: String) -> [String] {
        guard let open = name.firstIndex(of: "["), open != name.startIndex else { return [name] }
        var keys = [String(name[..<open])]
        var rest = name[open...]
        while rest.first == "[", let close = rest.firstIndex(of: "]") {
            keys.append(String(rest[rest.index(after: rest.startIndex)..<close]))
            rest = rest[rest.index(after: close)...]
        }
        return keys.count > 1 && keys.count <= deepest ? keys : [name]
    }

    /// A map of the tree: its keys in their order, and where each stands.
    private final class Branch {
        private enum Value {
            case leaf(JSONText)
            case branch(Branch)
        }

        private var members: [(key: String, value: Value)] = []
        private var places: [String: Int] = [:]
        private var nextNumber = 0

        func insert(_ leaf: JSONText, at path: ArraySlice<String>) {
            guard let first = path.first else { return }
            // `[]` takes the next free number, as PHP does.
            let key = first.isEmpty ? String(nextNumber) : first
            if let number = Int(key), number >= nextNumber, number < .max { nextNumber = number + 1 }
            guard path.count > 1 else {
                put(.leaf(leaf), at: key)
                return
            }
            if let place = places[key], case .branch(let branch) = members[place].value {
                branch.insert(leaf, at: path.dropFirst())
            } else {
                let branch = Branch()
                branch.insert(leaf, at: path.dropFirst())
                put(.branch(branch), at: key)
            }
        }

        private func put(_ value: Value, at key: String) {
            if let place = places[key] {
                members[place].value = value
            } else {
                places[key] = members.count
                members.append((key, value))
            }
        }

        /// A map whose keys are 0, 1, 2 … is a list, as PHP writes it.
        var json: JSONText {
            let values = members.map { member -> JSONText in
                switch member.value {
                case .leaf(let json): json
                case .branch(let branch): branch.json
                }
            }
            let isList = !members.isEmpty && members.enumerated().allSatisfy { $0.element.key == String($0.offset) }
            return isList ? .array(values) : .object(Array(zip(members.map(\.key), values)))
        }
    }
}
