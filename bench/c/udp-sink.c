/*
 * Counts the UDP datagrams that arrive on a port, IPv4 and IPv6, until SIGTERM or for SECONDS_MAX.
 *
 *     udp-sink PORT
 *
 * Prints "ready", one line for every second with traffic, and at the end a total whose seconds run from the first
 * datagram to the last.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

enum { BATCH = 256, BYTES_MAX = 2048, RECEIVE_BUFFER = 64 << 20, SECONDS_MAX = 3600 };

static volatile sig_atomic_t is_over;

static void end(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

int main(int argc, char **argv)
{
    static char room[BATCH][BYTES_MAX];
    static struct iovec rooms[BATCH];
    static struct mmsghdr messages[BATCH];
    struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
    struct sigaction on_end = { .sa_handler = end };
    struct timeval patience = { .tv_usec = 100000 };
    int sink = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), no = 0, bytes_max = RECEIVE_BUFFER;
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    unsigned long long packets = 0, bytes = 0, reported_packets = 0, reported_bytes = 0;
    double first = 0, last = 0, report = 0, deadline = seconds_now() + SECONDS_MAX;

    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: udp-sink PORT\n");
        return 2;
    }
    any.sin6_port = htons((unsigned short)port);
    if (sink < 0 || setsockopt(sink, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) < 0 ||
        setsockopt(sink, SOL_SOCKET, SO_RCVBUFFORCE, &bytes_max, sizeof bytes_max) < 0 ||
        setsockopt(sink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        bind(sink, (struct sockaddr *)&any, sizeof any) < 0)
        return fail("udp-sink: bind");
    for (int i = 0; i < BATCH; i++) {
        rooms[i] = (struct iovec){ .iov_base = room[i], .iov_len = BYTES_MAX };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &rooms[i], .msg_iovlen = 1 };
    }
    sigaction(SIGTERM, &on_end, NULL);
    sigaction(SIGINT, &on_end, NULL);
    puts("ready");
    fflush(stdout);

    while (!is_over && seconds_now() < deadline) {
        int count = recvmmsg(sink, messages, BATCH, MSG_WAITFORONE, NULL);
        double now = seconds_now();

        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return fail("udp-sink: receive");
        for (int i = 0; i < count; i++)
            bytes += messages[i].msg_len;
        if (count > 0) {
            if (packets == 0)
                first = report = now;
            packets += (unsigned)count;
            last = now;
        }
        if (packets > reported_packets && now >= report + 1) {
            printf("second packets %llu bytes %llu\n", packets - reported_packets, bytes - reported_bytes);
            fflush(stdout);
            report = now;
            reported_packets = packets;
            reported_bytes = bytes;
        }
    }
    printf("total packets %llu bytes %llu seconds %.3f\n", packets, bytes, last - first);
    return 0;
}
