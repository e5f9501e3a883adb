import CHost

extension Migration {
    /// The migrations that are embedded in this program, in the order of their numbers.
    public static let embedded: [Migration] = {
        var found: [Migration] = []
        var index = 0
        while let file = Optional(host_migration_at(index)), let name = file.name, let sql = file.sql {
            let parts = String(cString: name).split(separator: ".")[0].split(separator: "_", maxSplits: 1)
            found.append(
                Migration(number: Int(parts[0]) ?? 0, name: String(parts[1]), sql: String(cString: sql)))
            index += 1
        }
        return found
    }()
}
