extension ServiceError {
    /// DreamFactory's `code` of a batch that was not done as a whole.
    public static let batchCode = 1000

    /// Says of an error which of several records it is about.
    /// - Parameter record: counted from 0.
    public static func marking<T>(record: Int, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch var error as ServiceError {
            error.record = error.record ?? record
            throw error
        }
    }

    /// Does something with each of several records, and says of an error which one it is about.
    public static func marking<Record, T>(each records: [Record], _ body: (Record) throws -> T) throws -> [T] {
        try records.enumerated().map { index, record in try marking(record: index) { try body(record) } }
    }

    /// As ``marking(record:_:)``, for what has to wait.
    public static func marking<T>(
        isolation: isolated (any Actor)? = #isolation, record: Int, _ body: () async throws -> T
    ) async throws -> T {
        do {
            return try await body()
        } catch var error as ServiceError {
            error.record = error.record ?? record
            throw error
        }
    }
}
