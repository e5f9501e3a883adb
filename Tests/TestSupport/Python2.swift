import Glibc

/// The Python 2.7 of this machine, which many have not got any more: its tests say so instead of passing.
public enum Python2 {
    /// Where the program looks for it; `deploy/python2`, which `deploy/test` calls, puts one in the last.
    private static let places = ["/usr/bin/python2.7", "/usr/bin/python2", "/opt/scriptorium/python2/bin/python2.7"]

    public static let isHere = places.contains { access($0, X_OK) == 0 }

    /// Why tests are skipped.
    public static let absence = "no Python 2.7 is in /usr/bin, and deploy/python2 found none to copy"
}
