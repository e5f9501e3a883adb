import Core

/// A service that the platform answers itself, without a script and without a job.
protocol BuiltInService: Sendable {
    /// Answers a call that was authorised.
    /// - Throws: ``ServiceError``; anything else becomes a bare 500.
    func answer(_ request: ServiceRequest, _ caller: Caller) async throws -> ServiceResponse
}
