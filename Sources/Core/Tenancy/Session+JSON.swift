extension Session {
    /// `platform.session` (dreamfactory.md §5). Empty maps are objects.
    public var json: JSONText {
        var members: [(String, JSONText)] = [
            ("api_key", .string(apiKey)),
            ("session_token", .string(token)),
            ("requestor", .integer(requestor.rawValue)),
        ]
        if let user { members.append(("user", user.json)) }
        if let appID { members.append(("app", .object([("id", .integer(appID))]))) }
        if let role { members.append(("role", role.json)) }
        members.append(("lookup", .object(lookups.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })))
        return .object(members)
    }

    /// The inverse of ``json``: the session that was sealed with a job.
    public init(tenant: TenantID, json: JSONText) {
        self.init(
            tenant: tenant,
            apiKey: json["api_key"]?.string,
            token: json["session_token"]?.string,
            requestor: json["requestor"]?.integer.flatMap(Requestor.init(rawValue:)) ?? .api,
            appID: json["app"]?["id"]?.integer.map(Int64.init),
            user: json["user"].flatMap(User.init(json:)),
            role: json["role"].flatMap(Role.init(json:)))
        for (name, value) in json["lookup"]?.members ?? [] { lookups[name] = value.string }
    }
}

extension Session.User {
    /// The user as `platform.session.user` has it.
    public var json: JSONText {
        .object([
            ("id", .integer(id)),
            ("name", .string(name)),
            ("username", .string(username ?? email)),
            ("display_name", .string(name)),
            ("first_name", .string(firstName)),
            ("last_name", .string(lastName)),
            ("email", .string(email)),
            ("is_sys_admin", .bool(isAdmin)),
            ("last_login_date", .string(lastLogin)),
            ("ldap_username", .null),
        ])
    }

    init?(json: JSONText) {
        guard let id = json["id"]?.integer, let email = json["email"]?.string else { return nil }
        self.init(
            id: Int64(id), name: json["name"]?.string ?? email, firstName: json["first_name"]?.string,
            lastName: json["last_name"]?.string, email: email, isAdmin: json["is_sys_admin"]?.bool ?? false,
            lastLogin: json["last_login_date"]?.string)
        username = json["username"]?.string.flatMap { $0 == email ? nil : $0 }
    }
}

extension Role {
    /// The role as `platform.session.role` has it.
    public var json: JSONText {
        .object([
            ("id", .integer(id)),
            ("name", .string(name)),
            (
                "services",
                .array(
                    (isActive ? accesses : []).map { access in
                        .object([
                            ("id", .integer(access.id)),
                            ("role_id", .integer(id)),
                            ("service_id", .integer(access.serviceID)),
                            ("component", .string(access.component)),
                            ("verb_mask", .integer(access.verbMask)),
                            ("requestor_mask", .integer(access.requestorMask)),
                            ("filters", access.filters),
                            ("filter_op", .string(access.filterOp)),
                            ("service", .string(access.service)),
                        ])
                    })
            ),
        ])
    }

    init?(json: JSONText) {
        guard let id = json["id"]?.integer, let name = json["name"]?.string else { return nil }
        let accesses = json["services"]?.elements.map { row in
            var access = Access(
                service: row["service"]?.string, component: row["component"]?.string ?? "",
                verbMask: row["verb_mask"]?.integer ?? 0, requestorMask: row["requestor_mask"]?.integer ?? 0)
            access.id = row["id"]?.integer.map(Int64.init) ?? 0
            access.serviceID = row["service_id"]?.integer.map(Int64.init)
            access.filters = row["filters"] ?? access.filters
            access.filterOp = row["filter_op"]?.string ?? access.filterOp
            return access
        }
        self.init(id: Int64(id), name: name, accesses: accesses ?? [])
    }
}
