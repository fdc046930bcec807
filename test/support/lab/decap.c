/*
 * Takes IP-in-IP apart where the kernel has no tunnel device for it: the inner packets of protocols 4 and 41,
 * outer IPv4 and outer IPv6, are written to a tun device, so that the host receives them as if off a wire.
 *
 *     decap DEVICE      runs until killed; prints "ready" when packets can come
 *
 * Inner checksums are verified by the kernel, since a tun device vouches for nothing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INNER_IPV4 = 4, INNER_IPV6 = 41, SOCKETS = 4, PACKET_MAX = 65536 };

static void fail(const char *what)
{
    fprintf(stderr, "decap: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_tun(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC), control = socket(AF_INET, SOCK_DGRAM, 0);

    if (tun < 0)
        fail("open /dev/net/tun");
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    if (ioctl(tun, TUNSETIFF, &request) < 0)
        fail("create the tun device");
    if (control < 0 || ioctl(control, SIOCGIFFLAGS, &request) < 0)
        fail("read the flags of the tun device");
    request.ifr_flags |= IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        fail("set the tun device up");
    close(control);
    return tun;
}

static int open_raw(int family, int protocol)
{
    int bytes = 8 << 20, raw = socket(family, SOCK_RAW | SOCK_CLOEXEC, protocol);

    if (raw < 0)
        fail("open a raw socket");
    if (setsockopt(raw, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0)
        fail("enlarge the receive buffer");
    return raw;
}

/* Raw IPv4 sockets deliver the outer header too, raw IPv6 sockets do not. */
static size_t outer_header_bytes(int family, const unsigned char *packet)
{
    return family == AF_INET ? (packet[0] & 0x0f) * 4u : 0;
}

int main(int argc, char **argv)
{
    static const int family[SOCKETS] = { AF_INET, AF_INET, AF_INET6, AF_INET6 };
    static const int protocol[SOCKETS] = { INNER_IPV4, INNER_IPV6, INNER_IPV4, INNER_IPV6 };
    static unsigned char packet[PACKET_MAX];
    struct pollfd waiting[SOCKETS];
    int tun;

    if (argc != 2 || strlen(argv[1]) >= IFNAMSIZ) {
        fprintf(stderr, "usage: decap DEVICE\n");
        return 2;
    }
    tun = open_tun(argv[1]);
    for (int i = 0; i < SOCKETS; i++)
        waiting[i] = (struct pollfd){ .fd = open_raw(family[i], protocol[i]), .events = POLLIN };
    puts("ready");
    fflush(stdout);

    for (;;) {
        if (poll(waiting, SOCKETS, -1) < 0)
            fail("wait for packets");
        for (int i = 0; i < SOCKETS; i++) {
            ssize_t received;
            size_t skip;

            if (waiting[i].revents == 0)
                continue;
            received = recv(waiting[i].fd, packet, sizeof packet, MSG_DONTWAIT);
            if (received <= 0)
                continue;
            skip = outer_header_bytes(family[i], packet);
            /* A packet the tun device refuses is malformed; a tunnel endpoint drops it. */
            if ((size_t)received > skip && write(tun, packet + skip, (size_t)received - skip) < 0 && errno != EINVAL)
                fail("write to the tun device");
        }
    }
}
