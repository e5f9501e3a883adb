extension ServiceError {
    /// 404 for the record that a call names and that does not exist.
    public static func missingRecord(_ id: some CustomStringConvertible) -> ServiceError {
        .notFound("Record with identifier '\(id)' not found.")
    }
}
