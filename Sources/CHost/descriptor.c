#include "descriptor.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

int host_pidfd(pid_t child) { return (int)syscall(SYS_pidfd_open, child, 0); }

int host_wake_open(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void host_wake(int descriptor) {
    uint64_t one = 1;
    ssize_t written = write(descriptor, &one, sizeof one);
    (void)written; // It only fails where the counter is full: then it is readable already.
}

void host_wake_clear(int descriptor) {
    uint64_t count;
    ssize_t taken = read(descriptor, &count, sizeof count);
    (void)taken; // It only fails where the counter is 0 already.
}
