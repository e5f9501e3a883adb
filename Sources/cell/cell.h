#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// `uid` of a process that keeps cell's own user.
#define SAME_USER UINT32_MAX

enum { MAX_WORDS = 64 };

/// What the worker wants to be started. All texts live in the message that it came in.
struct order {
    uint32_t id;
    uint32_t uid;
    /// Whether it is a zygote: the rules of a Landlock domain stay open as its descriptor 4, for its children.
    bool forks;
    const char *directory;
    char *arguments[MAX_WORDS + 1];
    char *environment[MAX_WORDS + 1];
    /// What become its descriptors 3, 1 and 2.
    int fds[3];
};

/// Turns a fresh fork into the ordered program. It ends with status 127 and a line on standard error where it can not.
_Noreturn void become(const struct order *order, pid_t cell);

/// The rules of a domain that no signal and no tracing leaves; a descriptor, or -1 where the kernel has no such thing.
int make_domain_rules(void);

/// Puts the calling process into a new domain.
bool enter_domain(int rules);

/// Takes the system calls that reach into other processes from the calling process and all that it starts.
bool filter_system_calls(void);

/// Opens a directory that its owner, the calling user, may have closed to itself. Follows no link. -1 where that fails.
int open_own_directory(int at, const char *name);

/// Removes everything in the directory `top`, as the calling user, with a fixed number of descriptors and without
/// following a link, however deep the tree is.
void empty_directory(int top);

/// Kills every child that `is_ours` does not know: what a dead script left behind is inherited by cell.
void kill_orphans(bool (*is_ours)(pid_t));
