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
