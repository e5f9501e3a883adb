import CLibPQ
import Glibc

/// One connection of libpq, blocking. It stays on the thread that opened it.
final class Link {
    private let handle: OpaquePointer
    let canceller: LinkCanceller
    let prepares: Bool
    /// What this connection has prepared, by the name of the statement, once for each list of parameter types.
    private var prepared: [String: [Prepared]] = [:]
    private var planNames: Set<String> = []
    /// Looked at before each statement: true ends the work that runs here.
    var isInterrupted: () -> Bool = { false }
    /// Something was sent that may have an effect, so the work must not simply be run again.
    var hasActed = false
    /// Unusable although the socket is open.
    private var isSpoiled = false

    private struct Prepared {
        let name: String
        let types: [UInt32]
    }

    /// - Throws: `DatabaseError.Code.unavailable`, or `.protocolMisuse` where the URL can not be read.
    static func open(_ target: LinkTarget, isAbandoned: () -> Bool = { false }) throws(DatabaseError) -> Link {
        let handle = try target.begin()
        let deadline = Moment.now + target.connectTimeout
        var state = PGRES_POLLING_WRITING
        while PQstatus(handle) != CONNECTION_BAD {
            if state == PGRES_POLLING_OK { return try Link(handle, prepares: target.prepares) }
            guard state != PGRES_POLLING_FAILED, !isAbandoned(), Moment.now < deadline else { break }
            let events = state == PGRES_POLLING_WRITING ? POLLOUT : POLLIN
            var descriptor = pollfd(fd: PQsocket(handle), events: Int16(events), revents: 0)
            // In slices, so that the end of the pool need not wait for a server that does not answer.
            guard poll(&descriptor, 1, deadline.milliseconds(limit: 100)) != 0 else { continue }
            state = PQconnectPoll(handle)
        }
        defer { PQfinish(handle) }
        let message = ConnectMessage(PQerrorMessage(handle).map { String(cString: $0) } ?? "")
        throw DatabaseError(
            .unavailable, message.text.isEmpty ? silence : message.text, sqlState: message.sqlState)
    }

    /// What is said of a server that does not answer.
    static let silence = "the server did not answer in time"

    private init(_ handle: OpaquePointer, prepares: Bool) throws(DatabaseError) {
        guard let canceller = LinkCanceller(handle) else {
            PQfinish(handle)
            throw DatabaseError(.unavailable, "no memory for a connection")
        }
        self.handle = handle
        self.canceller = canceller
        self.prepares = prepares
        PQsetErrorVerbosity(handle, PQERRORS_DEFAULT)
        // Without a receiver libpq writes the server's notices to stderr. What the server says before it cuts an idle
        // connection off is a notice too.
        let receiver: PQnoticeReceiver = { link, notice in
            guard let link, let severity = PQresultErrorField(notice, Int32(UInt8(ascii: "V"))) else { return }
            guard ["FATAL", "PANIC"].contains(String(cString: severity)) else { return }
            Unmanaged<Link>.fromOpaque(link).takeUnretainedValue().spoil()
        }
        PQsetNoticeReceiver(handle, receiver, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { PQfinish(handle) }

    /// As libpq counts it: 150018 is 15.18.
    var serverVersion: Int32 { PQserverVersion(handle) }

    /// Of the server's process, as it was told when the connection was made.
    var processID: Int32 { PQbackendPID(handle) }

    var isBroken: Bool { isSpoiled || PQstatus(handle) == CONNECTION_BAD }

    var isIdle: Bool { PQtransactionStatus(handle) == PQTRANS_IDLE }

    var isInTransaction: Bool { PQtransactionStatus(handle) == PQTRANS_INTRANS }

    var hasFailed: Bool { PQtransactionStatus(handle) == PQTRANS_INERROR }

    var socket: Int32 { PQsocket(handle) }

    /// Whether the server is still there, as far as the socket knows: an end that came while nobody looked is seen here,
    /// before anything is sent into it.
    func isAlive() -> Bool {
        var descriptor = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        while !isBroken, poll(&descriptor, 1, 0) != 0 {
            guard PQconsumeInput(handle) == 1 else { return false }
            // Parses what was read, which calls the receiver of notices.
            _ = PQisBusy(handle)
        }
        return !isBroken
    }

    /// Gives the connection up: its transaction is left in a state that nobody knows.
    func spoil() { isSpoiled = true }

    // MARK: Statements

    /// SQL of this room without parameters: BEGIN, COMMIT, a migration.
    /// - Returns: the tag of the last command.
    @discardableResult
    func command(_ sql: String, name: String? = nil) throws -> String {
        try check(PQexec(handle, sql), name ?? sql).commandTag
    }

    /// One statement with its parameters; everything is binary.
    func run(_ statement: Statement, _ parameters: [(any PostgresEncodable)?]) throws -> ResultTable {
        let list = ParameterList(parameters)
        guard prepares else {
            try willRun(statement)
            return try check(
                list.withPointers { values, lengths, formats in
                    PQexecParams(handle, statement.sql, list.count, list.types, values, lengths, formats, 1)
                }, statement.name)
        }
        do {
            return try runPrepared(statement, list)
        } catch let error as DatabaseError where ["26000", "0A000"].contains(error.sqlState) {
            // The server has dropped the plan (DISCARD ALL), or a migration has changed what it returns.
            prepared[statement.name] = nil
            // Within a transaction the failure has already ended it.
            guard isIdle else { throw error }
            return try runPrepared(statement, list)
        }
    }

    private func runPrepared(_ statement: Statement, _ list: ParameterList) throws -> ResultTable {
        let plan = try prepared[statement.name]?.first { list.fits($0.types) } ?? prepare(statement, list)
        try willRun(statement)
        return try check(
            list.withPointers { values, lengths, formats in
                PQexecPrepared(handle, plan.name, list.count, values, lengths, formats, 1)
            }, statement.name)
    }

    private func prepare(_ statement: Statement, _ list: ParameterList) throws -> Prepared {
        try throwIfInterrupted()
        let name = planNames.contains(statement.name) ? "\(statement.name)/\(planNames.count)" : statement.name
        planNames.insert(name)
        _ = try check(PQprepare(handle, name, statement.sql, list.count, list.types), statement.name)
        var types = list.types
        if types.contains(0) {
            // A NULL came without a type. What the server made of it decides whether a value fits here later.
            let found = try check(PQdescribePrepared(handle, name), statement.name)
            types = types.indices.map { PQparamtype(found.handle, Int32($0)) }
        }
        let plan = Prepared(name: name, types: types)
        prepared[statement.name, default: []].append(plan)
        return plan
    }

    private func willRun(_ statement: Statement) throws {
        try throwIfInterrupted()
        if !statement.idempotent { hasActed = true }
    }

    private func throwIfInterrupted() throws {
        if isInterrupted() { throw CancellationError() }
    }

    /// The name of a channel or a database, quoted.
    func quoted(_ identifier: String) throws -> String {
        guard let text = PQescapeIdentifier(handle, identifier, identifier.utf8.count) else {
            throw DatabaseError(.protocolMisuse, "an identifier is not valid UTF-8")
        }
        defer { PQfreemem(text) }
        return String(cString: text)
    }

    // MARK: Notifications

    /// What has arrived since the last call; throws when the connection is gone.
    func notifications() throws -> [(channel: String, payload: String)] {
        guard PQconsumeInput(handle) == 1, !isBroken else { throw lost(nil) }
        var found: [(String, String)] = []
        while let notification = PQnotifies(handle) {
            found.append(
                (String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return found
    }

    // MARK: Results

    private func check(_ result: OpaquePointer?, _ statement: String?) throws -> ResultTable {
        guard let result else {
            guard !isBroken else { throw lost(statement) }
            throw DatabaseError(.other, Self.firstLine(PQerrorMessage(handle)), statement: statement)
        }
        let table = ResultTable(taking: result, statement: statement)
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            return table
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            spoil()
            throw DatabaseError(.protocolMisuse, "COPY can not be a statement", statement: statement)
        default:
            // The connection's state decides: a killed backend leaves no SQLSTATE, or one that says something else.
            guard !isBroken else { throw lost(statement) }
            let error = Self.error(result, statement)
            // The server has become a standby: the next connection may find the one that writes.
            if error.sqlState == "25006" { spoil() }
            throw error
        }
    }

    private func lost(_ statement: String?) -> DatabaseError {
        DatabaseError(.connectionLost, "the connection to the database was lost", statement: statement)
    }

    private static func error(_ result: OpaquePointer, _ statement: String?) -> DatabaseError {
        func field(_ code: Character) -> String? {
            code.asciiValue.flatMap { PQresultErrorField(result, Int32($0)) }.map { String(cString: $0) }
        }
        let state = field("C")
        return DatabaseError(
            state.map { DatabaseError.Code(sqlState: $0) } ?? .other,
            field("M") ?? firstLine(PQresultErrorMessage(result)), sqlState: state, constraint: field("n"),
            statement: statement)
    }

    private static func firstLine(_ message: UnsafeMutablePointer<CChar>?) -> String {
        let text = message.map { String(cString: $0) } ?? ""
        return text.split(separator: "\n").first.map(String.init) ?? ""
    }
}
