// A Landlock domain: what a script may do to files, to the network and to other processes. It holds for all that it
// starts, and closes what asks for the right to trace a process (ptrace, /proc/PID/mem and its like).
#define _GNU_SOURCE
#include "internal.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/// The attributes of a rule set as Linux 6.12 has them; an older kernel takes the first ones.
struct rules {
    uint64_t files, network, scopes;
};

enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2, BIND_TCP = 1, CONNECT_TCP = 2 };

/// The rights of the first version, and what came later.
static const uint64_t first_rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
static const uint64_t refer = 1 << 13, truncation = 1 << 14, device_control = 1 << 15;
static const uint64_t reading = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
/// Those that a file can have.
static const uint64_t of_files = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE
    | (1 << 14) | (1 << 15);

/// Allows `rights` beneath `path`; what does not exist, or can not be reached, needs no rule.
static void allow(int set, const char *path, uint64_t rights) {
    struct stat about;
    int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0) return;
    if (fstat(place, &about) == 0 && !S_ISDIR(about.st_mode)) rights &= of_files;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = place};
    if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        sandbox_fail("can not allow", path);
    close(place);
}

int sandbox_make_rules(const struct sandbox_bind *binds, size_t count, const char *writable) {
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1) return -1;
    struct rules rules = {.files = first_rights};
    if (version >= 2) rules.files |= refer;
    if (version >= 3) rules.files |= truncation;
    if (version >= 5) rules.files |= device_control;
    if (version >= 4) rules.network = BIND_TCP | CONNECT_TCP;
    if (version >= 6) rules.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
    size_t size = version >= 6 ? sizeof rules : version >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (set < 0) return -1;
    if (!binds) allow(set, "/", reading);
    for (size_t index = 0; index < count; index++) allow(set, binds[index].source, reading);
    if (binds) {
        allow(set, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
        allow(set, "/dev/zero", LANDLOCK_ACCESS_FS_READ_FILE);
        allow(set, "/dev/random", LANDLOCK_ACCESS_FS_READ_FILE);
        allow(set, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE);
    } else {
        allow(set, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE);
    }
    if (writable) allow(set, writable, rules.files & ~(LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_CHAR));
    return set;
}

void sandbox_enter_domain(int rules) {
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0) sandbox_fail("can not enter a domain", NULL);
    close(rules);
}
