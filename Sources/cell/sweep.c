// What is left when a script has ended: processes and files.
#define _GNU_SOURCE
#include "cell.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void kill_orphans(bool (*is_ours)(pid_t)) {
    FILE *children = fopen("/proc/thread-self/children", "re");
    if (!children) return;
    int pid;
    while (fscanf(children, "%d", &pid) == 1)
        if (!is_ours(pid)) kill(pid, SIGKILL);
    fclose(children);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int open_own_directory(int at, const char *name) {
    char link[32];
    int place = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0) return -1;
    snprintf(link, sizeof link, "/proc/self/fd/%d", place);
    // What fails here shows below.
    if (chmod(link, 0700) != 0) errno = 0;
    int directory = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(place);
    return directory;
}

/// Empties `name` in `top` by moving its directories up into `top`; true where that got anywhere.
static bool flatten(int top, const char *name, unsigned *moved) {
    char fresh[32];
    bool progress = false;
    int inner = open_own_directory(top, name);
    DIR *entries = inner < 0 ? NULL : fdopendir(inner);
    if (!entries) {
        if (inner >= 0) close(inner);
        return false;
    }
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (is_dots(entry->d_name)) continue;
        if (unlinkat(inner, entry->d_name, 0) == 0) {
            progress = true;
            continue;
        }
        // Who moves a directory must be able to write it.
        int opened = open_own_directory(inner, entry->d_name);
        if (opened >= 0) close(opened);
        snprintf(fresh, sizeof fresh, ".%u", (*moved)++);
        if (renameat(inner, entry->d_name, top, fresh) == 0) progress = true;
    }
    closedir(entries);
    return unlinkat(top, name, AT_REMOVEDIR) == 0 || progress;
}

void empty_directory(int top) {
    unsigned moved = 0;
    bool progress = true;
    while (progress) {
        progress = false;
        int again = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *entries = again < 0 ? NULL : fdopendir(again);
        if (!entries) {
            if (again >= 0) close(again);
            return;
        }
        for (struct dirent *entry; (entry = readdir(entries));) {
            if (is_dots(entry->d_name)) continue;
            if (unlinkat(top, entry->d_name, 0) == 0 || unlinkat(top, entry->d_name, AT_REMOVEDIR) == 0
                || flatten(top, entry->d_name, &moved))
                progress = true;
        }
        closedir(entries);
    }
}
