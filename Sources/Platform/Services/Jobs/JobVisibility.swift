import Core
import JobQueue

/// Which jobs of its tenant a caller may see, follow, cancel and repeat: an app those that it made, a user theirs, an admin
/// all (contract.md §3).
struct JobVisibility {
    /// Only this app's jobs; nil for any.
    private(set) var app: Int64?
    /// Only this account's jobs; nil for any.
    private(set) var account: Int64?
    /// Nobody may see anything.
    private(set) var isEmpty = false

    /// - Parameter verb: what the caller wants to do.
    init(_ caller: Caller, _ verb: Verb) {
        let session = caller.session
        if session.isAdmin, session.role == nil { return }
        account = session.user?.id
        // A user whose role has the service reaches what they made with any app.
        if account != nil, session.allows(verb, "jobs", "") { return }
        app = session.appID
        isEmpty = app == nil
    }

    func allows(_ record: JobRecord) -> Bool {
        !isEmpty && (app == nil || record.app == app) && (account == nil || record.account == account)
    }
}
