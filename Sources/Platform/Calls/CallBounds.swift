import Core

/// How large a request may be that a script makes: what an ingress would take from a caller.
enum CallBounds {
    static let headers = 200
    static let headerBytes = 64 << 10
    static let queryBytes = 64 << 10

    /// - Throws: ``ServiceError`` 400 for more than a request can have, and for what is no header.
    static func check(_ given: [(name: String, value: String)]) throws(ServiceError) {
        let bytes = given.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        guard given.count <= headers, bytes <= headerBytes else {
            throw .badRequest(
                "There are \(given.count) headers with \(bytes) bytes: at most \(headers) with \(headerBytes) bytes together"
                    + " can be sent.")
        }
        guard given.allSatisfy({ ResponseHeaders.isToken($0.name) && ResponseHeaders.isHeaderText($0.value) }) else {
            throw .badRequest(
                "A header's name or value has a character that headers can not have, such as a line break.")
        }
    }
}
