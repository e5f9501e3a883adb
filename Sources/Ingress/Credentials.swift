import Core
import FoundationEssentials

/// What a request says of who is calling, in DreamFactory's order (dreamfactory.md §9.1). A script token says nothing: scripts
/// call inside the platform, and a header can not make anybody a script.
struct Credentials: Equatable {
    /// `?api_key`, else the header, else the body.
    private(set) var key: String?
    /// `Authorization: Bearer`, else the header, else the query, else the body.
    private(set) var token: String?
    /// `Authorization: Basic`, where there is no token.
    private(set) var basic: Basic?

    struct Basic: Equatable {
        let email: String
        let password: String
    }

    /// Of a request without its body.
    init(_ request: ServiceRequest) {
        let keys = [
            Query.value("api_key", in: request.query), request.header("x-dreamfactory-api-key"),
            request.header("x-api-key"),
        ]
        key = keys.lazy.compactMap(\.self).first { !$0.isEmpty }
        let authorization = request.header("authorization")
        let tokens = [
            Self.bearer(authorization), request.header("x-dreamfactory-session-token"),
            Query.value("session_token", in: request.query),
        ]
        token = tokens.lazy.compactMap(\.self).first { !$0.isEmpty }
        if token == nil { basic = Self.basic(authorization) }
    }

    var isEmpty: Bool { key == nil && token == nil && basic == nil }

    /// The largest body that is searched, in bytes: it is read before anybody is known.
    static let largestBody = 1 << 20

    /// Whether the body may say more.
    func mayBeCompleted(by request: ServiceRequest) -> Bool {
        guard key == nil || token == nil && basic == nil else { return false }
        return request.verb != .get && Self.form(of: request) != nil
    }

    private enum Form { case json, pairs }

    private static func form(of request: ServiceRequest) -> Form? {
        let type = request.header("content-type")?.prefix { $0 != ";" }.trimming { $0 == " " }.lowercased() ?? ""
        if type.hasSuffix("/json") || type.hasSuffix("+json") { return .json }
        return type == "application/x-www-form-urlencoded" ? .pairs : nil
    }

    /// With what the body has and nothing before it. Only what looks like one of ours is taken for a credential: a webhook's
    /// payload may have members of the same names.
    func completed(by request: ServiceRequest) -> Credentials {
        guard mayBeCompleted(by: request), (1...Self.largestBody).contains(request.body.count) else { return self }
        guard request.body.contains("api_key") || request.body.contains("session_token") else { return self }
        let text = String(decoding: request.body, as: UTF8.self)
        var values: [String: String] = [:]
        switch Self.form(of: request) {
        case .json:
            guard let json = try? JSONText(checking: text) else { return self }
            for member in json.members { values[member.key] = member.value.string }
        case .pairs: for pair in Query.pairs(text, most: 1000) { values[pair.name] = pair.value }
        case nil: return self
        }
        var completed = self
        // The record of an app may have a member of this name.
        let isApp = request.service == "system" && request.resource.split(separator: "/").first == "app"
        if key == nil, !isApp { completed.key = values["api_key"].flatMap { Self.isKey($0) ? $0 : nil } }
        if token == nil, basic == nil {
            completed.token = values["session_token"].flatMap { Self.isToken($0) ? $0 : nil }
        }
        return completed
    }

    /// 64 hexadecimal digits.
    private static func isKey(_ text: String) -> Bool {
        text.utf8.count == 64 && text.allSatisfy(\.isHexDigit)
    }

    /// A JWT's three parts.
    private static func isToken(_ text: String) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 3 && parts.allSatisfy { !$0.isEmpty }
    }

    /// The token of an `Authorization: Bearer TOKEN`, whose scheme may be in any case (RFC 9110 §11.1).
    static func bearer(_ authorization: String?) -> String? {
        guard let authorization, authorization.lowercased().hasPrefix("bearer ") else { return nil }
        return String(authorization.dropFirst(7).trimming { $0 == " " })
    }

    /// RFC 7617: what stands before the first colon is the email or user name.
    private static func basic(_ authorization: String?) -> Basic? {
        guard let authorization, authorization.lowercased().hasPrefix("basic "),
            let data = Data(base64Encoded: String(authorization.dropFirst(6).trimming { $0 == " " })),
            let text = String(validating: data, as: UTF8.self), let colon = text.firstIndex(of: ":"),
            !text.contains("\0")
        else { return nil }
        let email = text[..<colon]
        let password = text[text.index(after: colon)...]
        guard !email.isEmpty, email.utf8.count <= 320, !password.isEmpty, password.utf8.count <= 1024 else {
            return nil
        }
        return Basic(email: String(email), password: String(password))
    }
}

extension [UInt8] {
    /// Whether the bytes of `text` stand in these. A search of a large text's characters would hold up the thread.
    fileprivate func contains(_ text: StaticString) -> Bool {
        withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let start = rest.firstIndex(of: text.utf8Start.pointee) {
                rest = rest[start...]
                guard rest.count >= text.utf8CodeUnitCount else { return false }
                if rest.starts(with: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) {
                    return true
                }
                rest = rest.dropFirst()
            }
            return false
        }
    }
}
