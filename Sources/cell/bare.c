// The least that a process costs here: what a benchmark compares a script's process with.
#define _GNU_SOURCE
#include "cell.h"

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

uint32_t fork_and_hear(void) {
    int ends[2];
    char byte = 0;
    if (pipe(ends) != 0) return 0;
    uint64_t begin = now();
    pid_t pid = fork();
    if (pid == 0) _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    close(ends[1]);
    bool heard = pid > 0 && read(ends[0], &byte, 1) == 1;
    if (pid > 0) waitpid(pid, NULL, 0);
    uint64_t end = now();
    close(ends[0]);
    return heard && byte == 'x' ? (uint32_t)(end - begin) : 0;
}
