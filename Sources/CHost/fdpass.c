// Descriptors that travel over a socket: the macros of SCM_RIGHTS are not to be had in Swift.
#define _GNU_SOURCE
#include "fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int host_socketpair(int type, int ends[2]) {
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends);
}

int host_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC);
}

ssize_t host_send(int socket, const void *bytes, size_t length, const int *fds, int count) {
    struct iovec data = {.iov_base = (void *)bytes, .iov_len = length};
    union {
        char room[CMSG_SPACE(sizeof(int) * HOST_MAX_FDS)];
        struct cmsghdr align;
    } control = {};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    if (count > HOST_MAX_FDS) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
    }
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t host_receive(int socket, void *bytes, size_t capacity, int fds[HOST_MAX_FDS], int *count) {
    struct iovec data = {.iov_base = bytes, .iov_len = capacity};
    union {
        char room[CMSG_SPACE(sizeof(int) * HOST_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    *count = 0;
    ssize_t received;
    do received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int arrived = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int index = 0; index < arrived && *count < HOST_MAX_FDS; index++) {
            memcpy(&fds[*count], CMSG_DATA(header) + sizeof(int) * (size_t)index, sizeof(int));
            *count += 1;
        }
    }
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (*count > 0) close(fds[--*count]);
        errno = EMSGSIZE;
        return -1;
    }
    return received;
}
