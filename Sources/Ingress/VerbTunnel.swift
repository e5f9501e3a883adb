import Core
import HTTPTypes
import Hummingbird

/// The verb of a call. Clients that can only GET and POST tunnel others through a POST (dreamfactory.md §6.2), and old ones
/// send MERGE for PATCH.
enum VerbTunnel {
    private static let headers = ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"]
    private static let parameters = ["method", "_method"]

    /// - Throws: ``ServiceError`` 405 for what is no verb that services have.
    static func verb(of request: Request, _ path: String, _ query: String) throws(ServiceError) -> Verb {
        guard request.method == .post, let tunnelled = tunnelled(request, query) else {
            return try verb(request.method.rawValue, path)
        }
        return try verb(tunnelled, path)
    }

    private static func tunnelled(_ request: Request, _ query: String) -> String? {
        for name in headers {
            if let field = HTTPField.Name(name), let value = request.headers[field], !value.isEmpty { return value }
        }
        for name in parameters {
            if let value = Query.value(name, in: query), !value.isEmpty { return value }
        }
        return nil
    }

    private static func verb(_ name: String, _ path: String) throws(ServiceError) -> Verb {
        let upper = name.uppercased()
        guard let verb = upper == "MERGE" ? .patch : Verb(rawValue: upper), Verb.callable.contains(verb) else {
            throw .notAllowed(String(name.prefix(32)), on: path, allowed: Verb.callable)
        }
        return verb
    }
}
