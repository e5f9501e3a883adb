/// A setting of the program: an environment variable `SCRIPTORIUM_NAME`, or the same in a file.
struct Setting: Sendable {
    /// Without the prefix.
    let name: String
    /// As people read it; nil where the setting must be given or has no value.
    let standard: String?
    let summary: String
    var isSecret = false

    var variable: String { "SCRIPTORIUM_" + name }

    static let databaseURL = Setting(
        name: "DATABASE_URL", standard: nil, summary: "PostgreSQL: a URI or conninfo; TLS by its sslmode",
        isSecret: true)
    static let listenURL = Setting(
        name: "DATABASE_LISTEN_URL", standard: "DATABASE_URL",
        summary: "the server itself, for LISTEN, where DATABASE_URL is a PgBouncer", isSecret: true)
    static let prepare = Setting(
        name: "DATABASE_PREPARE", standard: "on", summary: "on or off: prepared statements; off for an old PgBouncer")
    static let connections = Setting(
        name: "DATABASE_CONNECTIONS", standard: "8", summary: "connections a process, 2 to 64")
    static let host = Setting(name: "HOST", standard: "127.0.0.1", summary: "address that the ingress listens on")
    static let port = Setting(name: "PORT", standard: "8080", summary: "port of the ingress; 0 takes a free one")
    static let adminPort = Setting(
        name: "ADMIN_PORT", standard: nil,
        summary:
            "port of /operator and /metrics, which then answer only there; a worker has one only so; 0 takes a free one"
    )
    static let connectionLimit = Setting(
        name: "MAX_CONNECTIONS", standard: "10000",
        summary: "connections that an ingress holds at once, fewer where descriptors are short; others wait")
    static let idleTimeout = Setting(
        name: "IDLE_TIMEOUT_SECONDS", standard: "60", summary: "how long a connection stays open between requests")
    static let headerTimeout = Setting(
        name: "HEADER_TIMEOUT_SECONDS", standard: "15", summary: "how long the headers of a request may take")
    static let bodyTimeout = Setting(
        name: "BODY_TIMEOUT_SECONDS", standard: "30",
        summary: "how long a body may stand still, and may take below 1024 bytes a second")
    static let publicURL = Setting(
        name: "PUBLIC_URL", standard: nil, summary: "how callers reach the API; scripts' calls of it stay inside")
    static let tenantDomain = Setting(
        name: "TENANT_DOMAIN", standard: nil, summary: "sign-ins at TENANT.this-domain need no tenant header")
    static let operatorToken = Setting(
        name: "OPERATOR_TOKEN", standard: nil, summary: "bearer token of /operator; without it that plane is off",
        isSecret: true)
    static let secretKey = Setting(
        name: "SECRET_KEY", standard: nil,
        summary: "32 bytes in base64 that seal data and sign sessions; a list, newest first, for rotation",
        isSecret: true)
    static let workerConcurrency = Setting(
        name: "WORKER_CONCURRENCY", standard: "2 x cores", summary: "jobs that a worker runs at once, 1 to 1000")
    static let synchronousShare = Setting(
        name: "SYNC_SLOT_SHARE", standard: "0.25",
        summary: "the share of these that only calls get whose callers wait, 0 to 1; one is for all jobs always")
    static let shutdownGrace = Setting(
        name: "SHUTDOWN_GRACE_SECONDS", standard: "30", summary: "how long what runs may go on after SIGTERM")
    static let nodePath = Setting(
        name: "NODE_PATH", standard: "/usr/bin/node, else PATH", summary: "Node.js 18 or newer")
    static let phpPath = Setting(name: "PHP_PATH", standard: "/usr/bin/php, else PATH", summary: "PHP 8.2 or newer")
    static let python2Path = Setting(
        name: "PYTHON2_PATH", standard: "/usr/bin/python2.7, else PATH, else deploy/python2's", summary: "Python 2.7")
    static let python3Path = Setting(
        name: "PYTHON3_PATH", standard: "/usr/bin/python3, else PATH", summary: "Python 3.9 or newer")
    static let cellPath = Setting(
        name: "CELL_PATH", standard: "beside scriptorium", summary: "the program that starts the interpreters")
    static let scriptUID = Setting(
        name: "SCRIPT_UID", standard: "61184", summary: "user id of scripts where the program is root")
    static let sandboxTier = Setting(
        name: "SANDBOX_TIER", standard: "auto", summary: "the best tier of the sandbox that is tried: auto, A, B or C")
    static let unsafeNoSandbox = Setting(
        name: "UNSAFE_NO_SANDBOX", standard: "off",
        summary: "on or off: whether a worker starts where no tier works, for scripts that you trust")
    static let packages = Setting(
        name: "PACKAGES", standard: nil, summary: "the directory of the packages that scripts can import")
    static let logLevel = Setting(
        name: "LOG_LEVEL", standard: "info", summary: "trace, debug, info, notice, warning, error or critical")

    static let logFormat = Setting(
        name: "LOG_FORMAT", standard: "text", summary: "text, or json for one object a line")

    /// In the order of the documents.
    static let all: [Setting] = [
        databaseURL, listenURL, prepare, connections, host, port, adminPort, connectionLimit, idleTimeout,
        headerTimeout,
        bodyTimeout,
        publicURL, tenantDomain, operatorToken, secretKey,
        workerConcurrency, synchronousShare, shutdownGrace, nodePath, phpPath, python2Path, python3Path, cellPath,
        scriptUID, sandboxTier,
        unsafeNoSandbox, packages, logLevel, logFormat,
    ]
}
