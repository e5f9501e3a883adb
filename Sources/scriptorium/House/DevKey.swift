import Core

/// The secret key of `dev`: that of the settings, else the one in the data directory, else a new one.
struct DevKey {
    let ring: SecretKeyRing
    /// What is wrong, and what to do, where it does not open the data that is there.
    let whenWrong: String
    private let file: String
    private let made: String?

    /// - Throws: ``Settings/Invalid`` where what is configured or kept is no key.
    init(_ settings: Settings, file: String) throws(Settings.Invalid) {
        self.file = file
        let configured = settings.text(.secretKey)
        let kept = configured == nil ? PrivateFile.line(file) : nil
        made = configured == nil && kept == nil ? SecretKeyRing.generate() : nil
        let cause =
            if configured != nil {
                "\(Setting.secretKey.variable) goes before the data directory's own key: unset it."
            } else if kept != nil {
                "The file '\(file)' is another than at the time: put the old one back."
            } else {
                "The file '\(file)' is gone, and without it nothing that is stored can be read: put it back."
            }
        whenWrong =
            "The data in the data directory was sealed with another secret key. \(cause) Or start with --fresh, which"
            + " throws away all data."
        do {
            ring = try SecretKeyRing(base64List: configured ?? kept ?? made ?? "")
        } catch {
            let place = configured == nil ? "'\(file)'" : Setting.secretKey.variable
            throw Settings.Invalid(
                description: "\(place): \(error). Put the key back that the data was made with, or start with --fresh,"
                    + " which throws away all data.")
        }
    }

    /// Writes a new key down, once it is known that nothing is sealed with another.
    func keep() throws {
        if let made { try PrivateFile.write(made + "\n", to: file) }
    }
}
