import Core

/// What a script that runs before a service did to `event.request`, carried over to the request (dreamfactory.md §7.4).
struct RequestEdits {
    let request: ServiceRequest
    /// `event.request` as the script got it.
    let given: JSONText

    /// - Parameter found: `event.request` as the script left it.
    /// - Throws: ``ServiceError`` 500 for what no request can have.
    func applied(_ found: JSONText) throws(ServiceError) -> ServiceRequest {
        guard found.kind == .object, !found.isLike(given) else { return request }
        var edited = request
        if let method = changed("method", in: found) {
            let name = (method.string ?? method.text).uppercased()
            guard let verb = Verb(rawValue: name == "MERGE" ? "PATCH" : name), Verb.callable.contains(verb) else {
                throw ServiceError(
                    500,
                    "An event script set event.request.method to '\(name.prefix(40))', which is no verb of a service.")
            }
            edited.verb = verb
        }
        if let parameters = changed("parameters", in: found) {
            guard let query = Query.text(of: parameters, limit: CallBounds.queryBytes) else {
                throw ServiceError(
                    500,
                    "An event script made more of event.request.parameters than a query can be: \(Query.mostParameters) values"
                        + " and \(CallBounds.queryBytes) bytes at most.")
            }
            edited.query = query
        }
        if let headers = changed("headers", in: found) {
            edited.headers = headers.members.flatMap { header in
                let values = header.value.kind == .array ? header.value.elements : [header.value]
                return values.filter { !$0.isNull }.map {
                    (name: header.key.lowercased(), value: $0.string ?? $0.text)
                }
            }
        }
        do throws(ServiceError) {
            try CallBounds.check(edited.headers)
        } catch {
            throw ServiceError(500, "An event script changed event.request.headers: \(error.message)")
        }
        if let type = changed("content_type", in: found)?.string { edited.set("content-type", type) }
        // The payload is what scripts mean when they change both.
        if let payload = changed("payload", in: found) {
            edited.setPayload(payload)
        } else if let content = changed("content", in: found) {
            edited.body = Array((content.string ?? (content.isEmptyForPHP ? "" : content.text)).utf8)
        }
        return edited
    }

    /// The member's new value; nil where it is as it was.
    private func changed(_ name: String, in found: JSONText) -> JSONText? {
        guard let value = found[name] else { return nil }
        return value.isLike(given[name] ?? .null) ? nil : value
    }
}

extension ServiceRequest {
    fileprivate mutating func set(_ name: String, _ value: String) {
        headers.removeAll { $0.name == name }
        headers.append((name: name, value: value))
    }

    /// A text goes as it is where the request carries text; everything else goes as JSON.
    fileprivate mutating func setPayload(_ payload: JSONText) {
        let type = header("content-type")?.prefix { $0 != ";" }.lowercased() ?? ""
        let isJSON = type.isEmpty || type.hasSuffix("json")
        if let text = payload.string, !isJSON {
            body = Array(text.utf8)
        } else if payload.isNull || payload.kind == .object && payload.members.isEmpty {
            body = []
        } else {
            body = Array(payload.text.utf8)
            if !isJSON { set("content-type", "application/json") }
        }
    }
}
