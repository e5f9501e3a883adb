import Core
import Testing

@Suite struct SecretsTests {
    @Test func whatIsSealedOpensOnlyWithItsKeyAndLabel() throws {
        let ring = try SecretKeyRing(base64List: SecretKeyRing.generate())
        let (key, wrapped) = try ring.makeDataKey()
        let plain = Array("a secret".utf8)
        let sealed = try key.seal(plain, label: "payload:1")
        #expect(try ring.unwrap(wrapped).open(sealed, label: "payload:1") == plain)
        #expect(!sealed.contains(plain))
        #expect(throws: (any Error).self) { try key.open(sealed, label: "payload:2") }
        var damaged = sealed
        damaged[20] ^= 1
        #expect(throws: (any Error).self) { try key.open(damaged, label: "payload:1") }
        #expect(throws: (any Error).self) { try ring.makeDataKey().key.open(sealed, label: "payload:1") }
    }

    @Test func aRotatedRingOpensWhatTheOldKeyWrapped() throws {
        let old = SecretKeyRing.generate()
        let wrapped = try SecretKeyRing(base64List: old).makeDataKey().wrapped
        _ = try SecretKeyRing(base64List: SecretKeyRing.generate() + ", " + old).unwrap(wrapped)
        #expect(throws: (any Error).self) {
            try SecretKeyRing(base64List: SecretKeyRing.generate()).unwrap(wrapped)
        }
    }

    @Test(arguments: ["", ",", "short", "AAAA", "not base64 at all!"])
    func aBadSecretKeyIsRefusedWithoutBeingShown(text: String) {
        let error = #expect(throws: SecretKeyRing.Invalid.self) { try SecretKeyRing(base64List: text) }
        if text.count > 1 { #expect(error?.description.contains(text) == false) }
    }

    @Test func passwordsAreVerifiedAndSalted() throws {
        let hash = try Password.hash("correct horse")
        #expect(Password.verify("correct horse", against: hash))
        #expect(!Password.verify("wrong horse", against: hash))
        #expect(!Password.verify("", against: "nonsense"))
        #expect(try Password.hash("correct horse") != hash)
    }
}
