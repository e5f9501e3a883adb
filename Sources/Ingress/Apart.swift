/// Runs `body` in a task of its own, begun on this thread, and waits for its end.
///
/// A task keeps the room of the deepest call that it has made for as long as it lives. That of a connection lives for as long as
/// its callers wait, and thousands do: so what goes deep goes apart.
func apart<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addImmediateTask(operation: body)
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
