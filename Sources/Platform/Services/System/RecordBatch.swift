import Core

/// Several records of one request (dreamfactory.md §6.4). All are stored or none, unless the caller says `continue=true`:
/// then each stands for itself. Either way a caller hears which ones failed, and why.
struct RecordBatch {
    private let continues: Bool

    init(_ request: ServiceRequest) {
        let options = RecordOptions(request)
        continues = options.isTrue("continue") && !options.isTrue("rollback")
    }

    /// - Parameters:
    ///   - done: what becomes of the records, such as `created`.
    ///   - store: stores all that it is given or none, and marks in its error which one is at fault
    ///     (`ServiceError.marking(record:_:)`). Gives as many results as it was given items.
    /// - Returns: the results, one for each item.
    /// - Throws: the error of a single record as it is; of several ``ServiceError`` 400 with the code 1000.
    func run<Item: Sendable, Result: Sendable>(
        _ items: [Item], _ done: String, show: (Result) -> JSONText, store: ([Item]) async throws -> [Result]
    ) async throws -> [Result] {
        if items.count > 1, continues {
            var results: [Result] = []
            var errors: [Int: ServiceError] = [:]
            var shown: [JSONText] = []
            for (index, item) in items.enumerated() {
                do {
                    let made = try await store([item])
                    results += made
                    shown.append(made.first.map(show) ?? .null)
                } catch let error as ServiceError {
                    errors[index] = error
                    shown.append(Self.entry(error))
                }
            }
            guard !errors.isEmpty else { return results }
            throw Self.error(done, errors, shown, rolledBack: false)
        }
        do {
            return try await store(items)
        } catch let error as ServiceError {
            guard items.count > 1, let index = error.record else { throw error }
            // What came before it is not stored either, and what comes behind it was not looked at.
            let shown = items.indices.map { $0 == index ? Self.entry(error) : .null }
            throw Self.error(done, [index: error], shown, rolledBack: true)
        }
    }

    private static func entry(_ error: ServiceError) -> JSONText { error.json["error"] ?? .null }

    private static func error(
        _ done: String, _ errors: [Int: ServiceError], _ shown: [JSONText], rolledBack: Bool
    ) -> ServiceError {
        let indexes = errors.keys.sorted()
        let end = rolledBack ? " All changes rolled back." : ""
        let first = indexes.first.flatMap { index in errors[index].map { " resource[\(index)]: \($0.message)" } } ?? ""
        return ServiceError(
            400, "Batch Error: Not all records could be \(done).\(end)\(first)", code: ServiceError.batchCode,
            context: [("error", .array(indexes.map { .integer($0) })), ("resource", .array(shown))])
    }
}
