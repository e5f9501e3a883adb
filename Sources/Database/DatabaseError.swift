/// Why something asked of the database did not happen.
///
/// The description holds no parameter values and no credentials, so an operator may see it.
public struct DatabaseError: Error, Sendable, Hashable, CustomStringConvertible {
    /// An open list of causes: new ones may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        public let description: String
        private init(_ name: String) { description = name }

        /// No usable connection in time; nothing was done.
        public static let unavailable = Code("unavailable")
        /// The connection broke in the middle; what was asked may or may not have been done.
        public static let connectionLost = Code("connectionLost")
        /// Stopped from outside (an administrator, a time limit of the server); nothing was done.
        public static let cancelled = Code("cancelled")
        public static let uniqueViolation = Code("uniqueViolation")
        public static let foreignKeyViolation = Code("foreignKeyViolation")
        public static let checkViolation = Code("checkViolation")
        public static let serialization = Code("serialization")
        public static let deadlock = Code("deadlock")
        public static let insufficientPrivilege = Code("insufficientPrivilege")
        /// The calling code is wrong: a type that does not fit, a statement where it can not stand.
        public static let protocolMisuse = Code("protocolMisuse")
        /// The schema of the database and this program do not fit together.
        public static let schemaMismatch = Code("schemaMismatch")
        public static let other = Code("other")
    }

    public let code: Code
    /// Five characters, see PostgreSQL's appendix A; nil where the server was not the one to refuse.
    public let sqlState: String?
    /// The name of the violated constraint.
    public let constraint: String?
    /// The server's primary message, or ours.
    public let message: String
    /// The name of the statement.
    public let statement: String?

    public init(
        _ code: Code, _ message: String, sqlState: String? = nil, constraint: String? = nil, statement: String? = nil
    ) {
        self.code = code
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
        self.statement = statement
    }

    public var description: String {
        var text = message
        if let sqlState { text += " [\(sqlState)]" }
        if let constraint { text += ", constraint \(constraint)" }
        if let statement { text += ", statement \(statement)" }
        return text
    }
}

extension DatabaseError.Code {
    /// The code of an SQLSTATE.
    init(sqlState: String) {
        self =
            switch sqlState {
            case "23505": .uniqueViolation
            case "23503": .foreignKeyViolation
            case "23514": .checkViolation
            case "40001": .serialization
            case "40P01": .deadlock
            case "42501": .insufficientPrivilege
            case "57014": .cancelled
            default: .other
            }
    }
}
