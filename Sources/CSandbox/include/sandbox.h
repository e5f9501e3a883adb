#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// What holds a script: used by `cell`, which starts interpreters, and inside those that fork, as a library.
//
// Every script runs in a process whose parent is its init: the first process of a process namespace of their own, which
// belongs to us, limits the script's process from outside, reaps what it leaves and tells the worker how it ended. The
// namespace dies with the init. What a function here can not do it says on standard error, and ends the process with
// status 127: a script never runs in less than what was chosen.

/// How well a script is held. Each has all that the ones before it have.
enum sandbox_tier {
    /// A filter of system calls and limits.
    SANDBOX_NONE,
    /// Landlock: of the files only those that the interpreter needs, none to write; no signal to others; no new processes.
    SANDBOX_C,
    /// Namespaces of an unprivileged user: a root of its own, files in memory, processes in a namespace, no network.
    SANDBOX_B,
    /// A user for each script.
    SANDBOX_A,
};

/// Stands for the user that we have.
#define SAME_USER UINT32_MAX

enum {
    /// The user ids of a cell of tier A: number 0 is the cell's own, the others are for scripts.
    SANDBOX_USERS = 4096,
    /// A script's process finds its frames here; in a zygote it is the control socket.
    SANDBOX_FRAMES = 3,
    /// In a zygote of tier C: the rules of the Landlock domain that its children enter. In one of tier B: `/proc`.
    SANDBOX_KEPT = 4,
};

/// A file or directory of the machine that is seen in a cell, read-only.
struct sandbox_bind {
    const char *source;
    const char *target;
};

// --- In `cell` -------------------------------------------------------------------------------------------------------

/// Forks into namespaces of its own where the tier has them. `user` is the first of the scripts' user ids, or SAME_USER.
/// Returns as `fork` does.
pid_t sandbox_fork(enum sandbox_tier tier, uint32_t user);

/// Gives the calling process, which `sandbox_fork` has made, its view of the machine. `workshop` is an empty directory.
void sandbox_settle(
    enum sandbox_tier tier, uint32_t user, const char *workshop, const struct sandbox_bind *binds, size_t count);

/// Makes the calling process, which is settled, one that forks scripts: it keeps no right but those that it needs for it.
void sandbox_become_zygote(enum sandbox_tier tier);

// --- In a zygote: `cell` has settled it ------------------------------------------------------------------------------

/// Forks an init, and from it a script's process. Returns the init's number in the zygote, an error number below 0 there
/// where it could not, and 0 in the script's process, which must confine itself next. No line of the interpreter runs in
/// the init, which therefore shares nearly all of its memory with the zygote.
pid_t sandbox_fork_script(enum sandbox_tier tier, int control);

// --- In both ---------------------------------------------------------------------------------------------------------

/// Makes the calling process an init: greets the worker on the socket `control`, waits for its word, and makes the place
/// for the script, whose process is forked next.
void sandbox_enter(enum sandbox_tier tier, int control, bool is_fork);

/// The rest of an init's life, in which `child` is the script's process.
_Noreturn void sandbox_watch(pid_t child);

/// Confines the calling process, a child of an init, for good. The descriptors become 3, 1 and 2; all others are closed.
void sandbox_confine(int frames, int output, int error);
