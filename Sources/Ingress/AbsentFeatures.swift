import Core

/// What the contract names and this version does not do yet. Who asks for it is told, rather than served without it.
enum AbsentFeatures {
    private static let headers = ["x-scriptorium-callback"]

    /// - Throws: ``ServiceError`` 501 that names the header.
    static func check(_ request: ServiceRequest) throws(ServiceError) {
        guard let header = request.headers.first(where: { headers.contains($0.name) }) else { return }
        throw ServiceError(501, "'\(header.name)' is not supported by this version. Leave the header out.")
    }
}
