/*
 * Sends UDP datagrams as fast as one processor can, for a bounded time.
 *
 *     udp-blast ADDRESS PORT BYTES SECONDS [FLOWS]
 *
 * FLOWS (default 16) sockets take turns, so that a balancer sees that many connections. Prints how many were sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

enum { BATCH = 64, BYTES_MAX = 1472, FLOWS_MAX = 256, SECONDS_MAX = 3600 };

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long number(const char *text, const char *what, long min, long max)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "udp-blast: %s '%s': expected %ld to %ld\n", what, text, min, max);
        exit(2);
    }
    return value;
}

static int open_flow(const char *address, uint16_t port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    int is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1, flow;

    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        fprintf(stderr, "udp-blast: '%s' is not an address\n", address);
        exit(2);
    }
    flow = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (flow < 0 || (is_v4 ? connect(flow, (struct sockaddr *)&v4, sizeof v4)
                           : connect(flow, (struct sockaddr *)&v6, sizeof v6)) < 0) {
        perror("udp-blast: connect");
        exit(1);
    }
    return flow;
}

int main(int argc, char **argv)
{
    static char payload[BYTES_MAX];
    static struct mmsghdr messages[BATCH];
    struct iovec datagram = { .iov_base = payload };
    int flows[FLOWS_MAX];
    long flows_count, turn = 0;
    unsigned long long sent = 0;
    double start, until;
    uint16_t port;

    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: udp-blast ADDRESS PORT BYTES SECONDS [FLOWS]\n");
        return 2;
    }
    port = (uint16_t)number(argv[2], "port", 1, 65535);
    datagram.iov_len = (size_t)number(argv[3], "bytes", 1, BYTES_MAX);
    until = (double)number(argv[4], "seconds", 1, SECONDS_MAX);
    flows_count = argc == 6 ? number(argv[5], "flows", 1, FLOWS_MAX) : 16;
    for (long i = 0; i < flows_count; i++)
        flows[i] = open_flow(argv[1], port);
    for (int i = 0; i < BATCH; i++)
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &datagram, .msg_iovlen = 1 };

    start = seconds_now();
    for (until += start; seconds_now() < until;) {
        int count = sendmmsg(flows[turn++ % flows_count], messages, BATCH, 0);

        if (count > 0)
            sent += (unsigned)count;
        else if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED && errno != EINTR) {
            perror("udp-blast: send");
            return 1;
        }
    }
    printf("sent %llu seconds %.3f\n", sent, seconds_now() - start);
    return 0;
}
