extension EmbeddedPostgres {
    /// The server program that ``start(_:logger:progress:)`` would use.
    /// - Throws: ``DatabaseError`` that says what to install.
    public static func programs() throws -> String {
        try ServerPrograms.find(version: nil).postgres
    }
}
