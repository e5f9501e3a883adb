import Database
import Logging

/// A session that leaves a transaction open and does nothing: it holds back vacuum in its database.
public final class HeldTransaction: Sendable {
    private let transaction: OpenTransaction
    private let database: Database

    /// Of the session.
    public var process: Int32 { transaction.process }

    private static let number = Statement("hold", "select txid_current()")

    /// Returns when the transaction is open.
    /// - Parameter url: of the database, as its owner.
    public init(_ url: String, name: String = "held") async throws {
        var options = DatabaseOptions(url: url, connections: 1)
        options.applicationName = name
        database = Database(options, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        transaction = try await OpenTransaction(database, limit: .seconds(3600))
        try await transaction.run { _ = try $0.query(Self.number) }
    }

    /// Ends the session.
    /// - Returns: whether the transaction was open until now, and not ended by the server.
    @discardableResult public func end() async -> Bool {
        let wasOpen = (try? await transaction.commit()) != nil
        await database.close()
        return wasOpen
    }
}
