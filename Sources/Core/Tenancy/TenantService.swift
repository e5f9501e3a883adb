/// A name under `/api/v2/` of a tenant, and what answers it.
public struct TenantService: Sendable, Hashable {
    public var id: Int64
    public var name: String
    public var label: String
    public var description: String
    public var isActive: Bool
    /// The service's type; a script service has the name of its language.
    public var type: String
    /// The script's version that answers now.
    public var version: Int32
    /// `config` without the script's content, as its author gave it.
    public var config: JSONText
    /// The paths of its OpenAPI document with their verbs; empty without one.
    public var paths: [Path]

    /// A path of the service's OpenAPI document.
    public struct Path: Sendable, Hashable {
        public var template: PathTemplate
        public var verbs: [Verb]

        public init(template: PathTemplate, verbs: [Verb]) {
            self.template = template
            self.verbs = verbs
        }
    }

    public init(
        id: Int64, name: String, label: String, description: String, isActive: Bool, type: String, version: Int32,
        config: JSONText, paths: [Path] = []
    ) {
        self.id = id
        self.name = name
        self.label = label
        self.description = description
        self.isActive = isActive
        self.type = type
        self.version = version
        self.config = config
        self.paths = paths
    }

    /// Reads `{"/item/{id}":["get","put"]}`.
    public static func paths(_ json: JSONText) -> [Path] {
        paths(
            json.members.map { path in
                (path.key, path.value.elements.compactMap { $0.string.flatMap { Verb(rawValue: $0.uppercased()) } })
            })
    }

    /// Of templates that match the same resource, the one that says most comes first.
    public static func paths(_ list: [(template: String, verbs: [Verb])]) -> [Path] {
        list.map { Path(template: PathTemplate($0.template), verbs: $0.verbs) }.sorted {
            ($0.template.parameterCount, $0.template.text) < ($1.template.parameterCount, $1.template.text)
        }
    }

    /// Names that belong to the platform itself.
    public static let reservedNames: Set<String> = ["system", "user", "jobs", "api_docs"]

    /// What a name must look like, for messages.
    public static let nameRule = "1 to 40 letters, digits, dashes and underscores"

    /// Whether `name` is acceptable (dreamfactory.md §6.1).
    public static func isValidName(_ name: String) -> Bool {
        (1...40).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            }
    }
}
