import Glibc

/// Why the executor can not work. The description is safe to show to the operator.
public struct ExecutionError: Error, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The program `cell` is missing or can not be started.
        case cell
        /// Nothing can contain a script, not even a filter of system calls.
        case sandbox
        /// The run directory can not be made or written.
        case runDirectory
        /// The system has refused something, such as another descriptor.
        case system
        /// The executor has ended.
        case stopped
    }

    public let code: Code
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }

    init(_ code: Code, _ description: String, errno number: Int32) {
        self.init(code, "\(description): \(String(cString: strerror(number)))")
    }
}
