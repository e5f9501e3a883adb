import Core
import FoundationEssentials

/// What a script sends while it runs: a call of a service, or a question to the platform itself.
enum ScriptRequest {
    case call(APICall)
    case question(ScriptQuestion)

    /// Reads an API_REQUEST.
    /// - Throws: ``JSONError`` where the payload is not the object that it must be.
    static func read(_ payload: [UInt8]) throws(JSONError) -> (id: Int, request: ScriptRequest) {
        let request = try JSONText(checking: payload)
        let fields = Dictionary(request.members, uniquingKeysWith: { $1 })
        let malformed = JSONError(.unexpectedCharacter, line: 0, column: 0)
        guard let id = fields["id"]?.integer else { throw malformed }
        if let asked = fields["ask"]?.string {
            guard let question = ScriptQuestion(asked, fields) else { throw malformed }
            return (id, .question(question))
        }
        return (id, .call(try APICall.read(fields)))
    }
}

extension ScriptQuestion {
    fileprivate init?(_ asked: String, _ fields: [String: JSONText]) {
        guard let key = fields["key"]?.string else { return nil }
        switch asked {
        case "store.get": self = .stored(key: key)
        case "store.set": self = .store(key: key, value: fields["value"] ?? .null, ttl: fields["ttl"]?.double)
        case "store.delete": self = .forget(key: key)
        case "lookup": self = .lookup(name: key)
        default: return nil
        }
    }
}

extension ScriptAnswer {
    /// The payload of an API_RESPONSE.
    func frameText(id: Int) -> String {
        switch self {
        case .value(let value): JSONText.object([("id", .integer(id)), ("value", value)]).text
        case .refused(let why): JSONText.object([("id", .integer(id)), ("refused", .string(why))]).text
        }
    }

    static let tooMany = refused("The script has used up its calls of the platform (api_calls).")
}

extension APICall {
    fileprivate static func read(_ fields: [String: JSONText]) throws(JSONError) -> APICall {
        guard let verb = fields["verb"]?.string, let path = fields["path"]?.string else {
            throw JSONError(.unexpectedCharacter, line: 0, column: 0)
        }
        var body = Array((fields["body"]?.string ?? "").utf8)
        if let text = fields["body_base64"]?.string {
            guard let data = Data(base64Encoded: text) else {
                throw JSONError(.unexpectedCharacter, line: 0, column: 0)
            }
            body = Array(data)
        }
        return APICall(
            verb: verb.uppercased(), path: path, headers: fields["headers"]?.texts ?? [],
            parameters: fields["parameters"]?.texts ?? [], body: body, contentType: fields["content_type"]?.string,
            options: fields["options"]?.members.map { (name: $0.key, value: $0.value) } ?? [])
    }
}

extension JSONText {
    /// An object's members as text: strings as they are, other values as they were written.
    var texts: [(name: String, value: String)] {
        members.map { ($0.key, $0.value.string ?? $0.value.text) }
    }
}

extension APIReply {
    /// The payload of an API_RESPONSE. Headers that repeat are joined, as RFC 9110 §5.3 has it.
    func frameText(id: Int) -> String {
        var names: [String] = []
        var values: [String: [String]] = [:]
        for (name, value) in headers {
            if values[name] == nil { names.append(name) }
            values[name, default: []].append(value)
        }
        let text = String(validating: body, as: UTF8.self)
        return JSONText.object([
            ("id", .integer(id)), ("status", .integer(status)), ("reason", .string(HTTPReason.phrase(of: status))),
            ("headers", .object(names.map { ($0, .string(values[$0]?.joined(separator: ", "))) })),
            text.map { ("body", .string($0)) } ?? ("body_base64", .string(Data(body).base64EncodedString())),
        ]).text
    }

    /// What a script gets that has used up its calls (contract.md §8).
    static var tooManyCalls: APIReply {
        let body = """
            {"error":{"code":429,"context":{"limit":"api_calls"},\
            "message":"The script has used up its calls of platform.api.","status_code":429}}
            """
        return APIReply(status: 429, headers: [("content-type", "application/json")], body: Array(body.utf8))
    }
}
