import Core
import Database
import Logging

extension ServiceError {
    /// Any error as callers may see it. What is not meant for them is logged, and they get a bare message with nothing of
    /// the host in it.
    public init(describing error: any Error, _ logger: Logger, requestID: String) {
        if let error = error as? ServiceError {
            self = error
        } else if let error = error as? DatabaseError, error.isTemporary {
            logger.warning("database unavailable", metadata: ["request_id": "\(requestID)", "error": "\(error)"])
            self.init(
                503, "The database can not be reached at the moment. Try again in a few seconds.", retryAfter: 2)
        } else {
            logger.error("unexpected error", metadata: ["request_id": "\(requestID)", "error": "\(error)"])
            self.init(500, "Internal Server Error. The operator finds the cause in the log under this request's id.")
        }
    }
}

extension DatabaseError {
    /// Whether the same call may succeed a little later.
    public var isTemporary: Bool {
        // Read-only after a failover, and what a repetition settles.
        let states: Set<String> = ["25006", "40001", "40P01"]
        // Connections, resources, a server that starts or stops, and what fails around it (PostgreSQL's appendix A).
        let classes = ["08", "53", "57P", "58"]
        return [.unavailable, .connectionLost, .cancelled].contains(code)
            || sqlState.map { state in states.contains(state) || classes.contains { state.hasPrefix($0) } } == true
    }
}
