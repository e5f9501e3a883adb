/// An HTTP method as roles know it.
public enum Verb: String, Sendable, CaseIterable {
    case get = "GET"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
    case head = "HEAD"

    /// The verb's bit in a role's `verb_mask` (DreamFactory's numbers).
    public var mask: Int {
        switch self {
        case .get: 1
        case .post: 2
        case .put: 4
        case .patch: 8
        case .delete: 16
        case .options: 32
        case .head: 64
        }
    }

    /// The verbs that an invocation may use.
    public static let callable: [Verb] = [.get, .post, .put, .patch, .delete, .options, .head]

    /// The mask of all verbs that an invocation may use.
    public static let allMask = callable.reduce(0) { $0 | $1.mask }
}

/// Who makes a call: a program outside, or a script. The numbers are those of a role's `requestor_mask`.
public enum Requestor: Int, Sendable {
    case api = 1
    case script = 2
}
