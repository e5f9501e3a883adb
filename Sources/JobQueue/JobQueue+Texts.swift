import Database

extension JobQueue {
    /// The statements of a job's life, for benchmarks that send the very same ones by other means.
    package enum Texts {
        package static let enqueue = SystemStatements.enqueue.sql
        package static let claim = SystemStatements.claim.sql
        package static let finish = SystemStatements.finish.sql
    }
}
