import Glibc

/// Holds threads until a number of them have come, and then lets them all go on; again and again.
final class Gathering: @unchecked Sendable {
    // Unchecked: a barrier of POSIX is made for several threads, and stays where it is.
    private let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)

    init(of size: UInt32) { pthread_barrier_init(barrier, nil, size) }

    deinit {
        pthread_barrier_destroy(barrier)
        barrier.deallocate()
    }

    /// Blocks the thread.
    func wait() { pthread_barrier_wait(barrier) }
}
