#pragma once
#include <sandbox.h>
#include <stdint.h>
#include <sys/types.h>

enum { MAX_WORDS = 64 };

/// What is started.
enum kind {
    /// A program that runs one script.
    PROGRAM,
    /// A program that forks itself for each script.
    ZYGOTE,
    /// Nothing: whether the sandbox can be built.
    PROBE,
};

/// How this cell's processes are held.
struct tier {
    enum sandbox_tier tier;
    /// The first of the scripts' users, or SAME_USER.
    uint32_t user;
    /// An empty directory.
    const char *workshop;
};

/// What the worker wants to be started. All texts live in the message that it came in.
struct order {
    uint32_t id;
    enum kind kind;
    char *arguments[MAX_WORDS + 1];
    char *environment[MAX_WORDS + 1];
    struct sandbox_bind binds[MAX_WORDS];
    size_t bind_count;
    /// What become its descriptors 3, 1 and 2, and the control socket of its init.
    int fds[4];
};

/// Turns a fresh fork into the ordered program. It ends with status 127 and a line on standard error where it can not.
_Noreturn void become(const struct order *order, const struct tier *tier);

/// Forks a process that writes one byte into a pipe, reads it and reaps the process: the microseconds that this takes, or 0
/// where it fails.
uint32_t fork_and_hear(void);
