/*
 * What NFQUEUE can do at best from userspace: masquerading in C, without a library, as the measure of the daemon.
 *
 *     nfq-rewrite [-g] QUEUE VIP:PORT REALSERVER:PORT...
 *
 * Every packet of the virtual service (TCP and UDP, IPv4), in both directions, is looked up in a connection table
 * and rewritten in full with incremental checksums. A batch of messages is received with one recvmmsg, and its
 * verdicts leave with one sendmsg that gathers the payloads where they lie. With -g the kernel hands over
 * super-packets (GSO) instead of segmenting them first.
 *
 * Requests are expected from the hook PREROUTING, replies from FORWARD. What belongs to no connection is accepted
 * unchanged. Prints "ready" once bound, and counters at SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,                    /* messages a call */
    MESSAGE_MAX = 72 * 1024,       /* a super-packet of 64 KiB and its attributes */
    BATCH_BYTES_MAX = 1024 * 1024, /* of verdicts a call, well below the send buffer */
    SOCKET_BUFFER = 16 << 20,
    QUEUE_LENGTH = 8192,
    CONNECTIONS_MAX = 1 << 20,
    BUCKETS = 1 << 20,
    SERVERS_MAX = 16,
    IDLE_SECONDS = 300,
};

/* ---- connections --------------------------------------------------------------------------------------------- */

struct endpoint {
    uint32_t address; /* network byte order, like all addresses and ports here */
    uint16_t port;
};

struct connection {
    uint32_t next_inbound, next_outbound; /* index + 1 of the next in each chain, 0 at the end */
    struct endpoint client, server;
    uint8_t protocol;
    uint32_t last_seen;
    uint64_t packets[2], bytes[2];
};

static struct connection *connections;
static uint32_t connections_used, *inbound_chain, *outbound_chain;
static struct endpoint vip, servers[SERVERS_MAX];
static unsigned servers_count, next_server;

static uint32_t hash(struct endpoint a, uint32_t salt)
{
    uint32_t h = a.address * 0x9e3779b1u ^ ((uint32_t)a.port << 16 | salt);

    h ^= h >> 15;
    h *= 0x85ebca6bu;
    return (h ^ h >> 13) & (BUCKETS - 1);
}

static int same(struct endpoint a, struct endpoint b)
{
    return a.address == b.address && a.port == b.port;
}

/* A slot for a new connection: a fresh one, or one whose client has long been silent. */
static struct connection *new_connection(uint32_t now)
{
    static uint32_t hand;

    if (connections_used < CONNECTIONS_MAX)
        return &connections[connections_used++];
    for (int looked = 0; looked < 64; looked++) {
        struct connection *old = &connections[hand++ & (CONNECTIONS_MAX - 1)];
        uint32_t index = (uint32_t)(old - connections) + 1, *link;

        if (now - old->last_seen < IDLE_SECONDS)
            continue;
        for (link = &inbound_chain[hash(old->client, old->protocol)]; *link != index;)
            link = &connections[*link - 1].next_inbound;
        *link = old->next_inbound;
        for (link = &outbound_chain[hash(old->client, old->protocol ^ old->server.port)]; *link != index;)
            link = &connections[*link - 1].next_outbound;
        *link = old->next_outbound;
        return old;
    }
    return NULL;
}

static struct connection *find_inbound(uint8_t protocol, struct endpoint client, uint32_t now)
{
    uint32_t bucket = hash(client, protocol), *out;
    struct connection *found;

    for (uint32_t at = inbound_chain[bucket]; at != 0; at = found->next_inbound) {
        found = &connections[at - 1];
        if (same(found->client, client) && found->protocol == protocol)
            return found;
    }
    found = new_connection(now);
    if (found == NULL)
        return NULL;
    memset(found, 0, sizeof *found);
    found->client = client;
    found->protocol = protocol;
    found->server = servers[next_server++ % servers_count];
    found->next_inbound = inbound_chain[bucket];
    inbound_chain[bucket] = (uint32_t)(found - connections) + 1;
    out = &outbound_chain[hash(client, protocol ^ found->server.port)];
    found->next_outbound = *out;
    *out = (uint32_t)(found - connections) + 1;
    return found;
}

static struct connection *find_outbound(uint8_t protocol, struct endpoint client, struct endpoint server)
{
    struct connection *found;

    for (uint32_t at = outbound_chain[hash(client, protocol ^ server.port)]; at != 0; at = found->next_outbound) {
        found = &connections[at - 1];
        if (same(found->client, client) && same(found->server, server) && found->protocol == protocol)
            return found;
    }
    return NULL;
}

/* ---- packets ------------------------------------------------------------------------------------------------- */

struct packet {
    unsigned char *bytes;
    uint32_t length, skb_info, id;
    uint8_t hook;
};

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint64_t sum_bytes(const unsigned char *bytes, uint32_t length)
{
    uint64_t sum = 0;
    uint32_t word;
    uint16_t half = 0;

    for (; length >= 4; bytes += 4, length -= 4) {
        memcpy(&word, bytes, 4);
        sum += word;
    }
    if (length >= 2) {
        memcpy(&half, bytes, 2);
        sum += half;
        bytes += 2;
        length -= 2;
    }
    half = 0;
    memcpy(&half, bytes, length);
    return sum + half;
}

/* The checksum after an endpoint it covers has changed. RFC 1624, equation 3. */
static uint16_t adjust(uint16_t check, uint64_t was, uint64_t is)
{
    return (uint16_t)~fold((uint16_t)~check + (uint64_t)(uint16_t)~fold(was) + is);
}

static uint64_t sum_of(struct endpoint e, int with_port)
{
    return (uint64_t)(e.address & 0xffff) + (e.address >> 16) + (with_port ? e.port : 0);
}

/* Puts `to` at the address and port given, and brings both checksums up to date. */
static void rewrite(struct packet *p, uint32_t header, uint32_t address_at, uint32_t port_at, struct endpoint to)
{
    unsigned char *ip = p->bytes, *transport = p->bytes + header;
    uint8_t protocol = ip[9];
    unsigned char *check_at = transport + (protocol == IPPROTO_TCP ? 16 : 6);
    struct endpoint was;
    uint16_t check;

    memcpy(&was.address, ip + address_at, 4);
    memcpy(&was.port, transport + port_at, 2);
    memcpy(ip + address_at, &to.address, 4);
    memcpy(transport + port_at, &to.port, 2);
    memcpy(&check, ip + 10, 2);
    check = adjust(check, sum_of(was, 0), sum_of(to, 0));
    memcpy(ip + 10, &check, 2);

    if (p->skb_info & NFQA_SKB_GSO)
        return; /* segmentation after the verdict computes the checksum of every segment anew */
    memcpy(&check, check_at, 2);
    if (p->skb_info & NFQA_SKB_CSUMNOTREADY) {
        /* Only the pseudo-header was summed: the sender left the rest to a device that this packet never meets. */
        memset(check_at, 0, 2);
        check = (uint16_t)~fold(sum_bytes(ip + 12, 8) + htons(protocol) + htons((uint16_t)(p->length - header)) +
                                sum_bytes(transport, p->length - header));
    } else if (protocol == IPPROTO_UDP && check == 0) {
        return; /* RFC 768: no checksum was made */
    } else {
        check = adjust(check, sum_of(was, 1), sum_of(to, 1));
    }
    if (protocol == IPPROTO_UDP && check == 0)
        check = 0xffff;
    memcpy(check_at, &check, 2);
}

/* Whether the packet was rewritten. */
static int translate(struct packet *p, uint32_t now)
{
    unsigned char *ip = p->bytes, *transport;
    uint32_t header;
    struct endpoint source, destination;
    struct connection *connection;
    int outbound = p->hook == NF_INET_FORWARD;

    if (p->length < 20 || ip[0] >> 4 != 4)
        return 0;
    header = (ip[0] & 0x0f) * 4u;
    if ((ip[9] != IPPROTO_TCP && ip[9] != IPPROTO_UDP) || ((ip[6] & 0x1f) | ip[7]) != 0)
        return 0;
    if (header < 20 || p->length < header + (ip[9] == IPPROTO_TCP ? 20u : 8u))
        return 0;
    transport = ip + header;
    memcpy(&source.address, ip + 12, 4);
    memcpy(&destination.address, ip + 16, 4);
    memcpy(&source.port, transport, 2);
    memcpy(&destination.port, transport + 2, 2);

    if (outbound) {
        connection = find_outbound(ip[9], destination, source);
        if (connection == NULL)
            return 0;
        rewrite(p, header, 12, 0, vip);
    } else {
        if (!same(destination, vip))
            return 0;
        connection = find_inbound(ip[9], source, now);
        if (connection == NULL)
            return 0;
        rewrite(p, header, 16, 2, connection->server);
    }
    connection->last_seen = now;
    connection->packets[outbound]++;
    connection->bytes[outbound] += p->length;
    return 1;
}

/* ---- the queue ----------------------------------------------------------------------------------------------- */

static uint16_t queue_number;
static int queue;

static void fail(const char *what)
{
    fprintf(stderr, "nfq-rewrite: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* One configuration message of one or two attributes, and the kernel's word on it. */
static void configure(const void *attributes, uint32_t length, const char *what)
{
    struct {
        struct nlmsghdr header;
        struct nfgenmsg family;
        unsigned char attributes[32];
    } request = {
        .header = { .nlmsg_len = NLMSG_HDRLEN + sizeof request.family + length,
                    .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
        .family = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue_number) },
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        unsigned char rest[512];
    } reply;

    memcpy(request.attributes, attributes, length);
    if (send(queue, &request, request.header.nlmsg_len, 0) < 0 || recv(queue, &reply, sizeof reply, 0) < 0)
        fail(what);
    errno = reply.header.nlmsg_type == NLMSG_ERROR ? -reply.error.error : EPROTO;
    if (errno != 0)
        fail(what);
}

static void open_queue(int gso)
{
    struct {
        struct nlattr head;
        struct nfqnl_msg_config_cmd value;
    } bind = { { sizeof bind, NFQA_CFG_CMD }, { .command = NFQNL_CFG_CMD_BIND } };
    struct {
        struct nlattr head;
        struct nfqnl_msg_config_params value;
        unsigned char padding[3];
    } copy = { { NLA_HDRLEN + sizeof copy.value, NFQA_CFG_PARAMS },
               { .copy_range = htonl(0xffff), .copy_mode = NFQNL_COPY_PACKET },
               { 0 } };
    struct {
        struct nlattr head;
        uint32_t value;
    } length = { { sizeof length, NFQA_CFG_QUEUE_MAXLEN }, htonl(QUEUE_LENGTH) };
    struct {
        struct nlattr flags_head;
        uint32_t flags;
        struct nlattr mask_head;
        uint32_t mask;
    } flags = { { 8, NFQA_CFG_FLAGS }, htonl(NFQA_CFG_F_GSO), { 8, NFQA_CFG_MASK }, htonl(NFQA_CFG_F_GSO) };
    int bytes = SOCKET_BUFFER, yes = 1;

    queue = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (queue < 0)
        fail("open a netlink socket");
    if (setsockopt(queue, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) < 0 ||
        setsockopt(queue, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) < 0)
        fail("enlarge the socket buffers");
    if (setsockopt(queue, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes) < 0)
        fail("set NETLINK_NO_ENOBUFS");
    configure(&bind, sizeof bind, "bind the queue");
    configure(&copy, sizeof copy, "set the copy range");
    configure(&length, sizeof length, "set the queue length");
    if (gso)
        configure(&flags, sizeof flags, "ask for super-packets");
}

/* Reads one message; false when it is not a packet. */
static int parse(unsigned char *message, uint32_t received, struct packet *p)
{
    struct nlmsghdr *header = (struct nlmsghdr *)message;
    uint32_t at = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
    int has_id = 0;

    if (received < at || header->nlmsg_len > received ||
        header->nlmsg_type != (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET))
        return 0;
    *p = (struct packet){ 0 };
    while (at + NLA_HDRLEN <= header->nlmsg_len) {
        struct nlattr *attribute = (struct nlattr *)(message + at);
        unsigned char *value = message + at + NLA_HDRLEN;

        if (attribute->nla_len < NLA_HDRLEN || at + attribute->nla_len > header->nlmsg_len)
            return 0;
        switch (attribute->nla_type & NLA_TYPE_MASK) {
        case NFQA_PACKET_HDR:
            p->id = ((struct nfqnl_msg_packet_hdr *)value)->packet_id; /* stays in network byte order */
            p->hook = ((struct nfqnl_msg_packet_hdr *)value)->hook;
            has_id = 1;
            break;
        case NFQA_SKB_INFO:
            memcpy(&p->skb_info, value, 4);
            p->skb_info = ntohl(p->skb_info);
            break;
        case NFQA_PAYLOAD:
            p->bytes = value;
            p->length = attribute->nla_len - NLA_HDRLEN;
            break;
        }
        at += NLA_ALIGN(attribute->nla_len);
    }
    return has_id;
}

/* Verdict messages of one batch: headers are built here, payloads are gathered from the receive area. */
struct verdict {
    struct nlmsghdr header;
    struct nfgenmsg family;
    struct nlattr verdict_attribute;
    struct nfqnl_msg_verdict_hdr verdict;
    struct nlattr payload_attribute;
};

static struct verdict verdicts[BATCH];
static struct iovec gathered[BATCH * 3];
static unsigned gathered_count, verdicts_count;
static uint64_t gathered_bytes, refused;

static void gather(const void *bytes, size_t length)
{
    gathered[gathered_count++] = (struct iovec){ .iov_base = (void *)bytes, .iov_len = length };
    gathered_bytes += length;
}

static void send_verdicts(void)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    struct msghdr message = {
        .msg_name = &kernel, .msg_namelen = sizeof kernel, .msg_iov = gathered, .msg_iovlen = gathered_count
    };

    if (verdicts_count > 0 && sendmsg(queue, &message, 0) < 0)
        refused += verdicts_count;
    gathered_count = verdicts_count = 0;
    gathered_bytes = 0;
}

static void add_verdict(const struct packet *p, int rewritten)
{
    static const unsigned char padding[4];
    struct verdict *v;
    uint32_t length = sizeof *v - (rewritten ? 0 : NLA_HDRLEN), padded = NLMSG_ALIGN(p->length);

    if (gathered_bytes + length + padded > BATCH_BYTES_MAX)
        send_verdicts();
    v = &verdicts[verdicts_count++];
    *v = (struct verdict){
        .header = { .nlmsg_len = length + (rewritten ? padded : 0),
                    .nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT,
                    .nlmsg_flags = NLM_F_REQUEST },
        .family = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(queue_number) },
        .verdict_attribute = { .nla_len = NLA_HDRLEN + sizeof v->verdict, .nla_type = NFQA_VERDICT_HDR },
        .verdict = { .verdict = htonl(NF_ACCEPT), .id = p->id },
        .payload_attribute = { .nla_len = (uint16_t)(NLA_HDRLEN + p->length), .nla_type = NFQA_PAYLOAD },
    };
    gather(v, length);
    if (!rewritten)
        return;
    gather(p->bytes, p->length);
    if (padded > p->length)
        gather(padding, padded - p->length);
}

/* ---- main ---------------------------------------------------------------------------------------------------- */

static volatile sig_atomic_t is_over;

static void end(int signal_number)
{
    (void)signal_number;
    is_over = 1;
}

static struct endpoint parse_endpoint(const char *text)
{
    char address[INET_ADDRSTRLEN];
    struct endpoint e;
    int port, used = 0;

    if (sscanf(text, "%15[0-9.]:%d%n", address, &port, &used) != 2 || text[used] != '\0' || port < 1 ||
        port > 65535 || inet_pton(AF_INET, address, &e.address) != 1) {
        fprintf(stderr, "nfq-rewrite: '%s' is not an IPv4 address:port\n", text);
        exit(2);
    }
    e.port = htons((uint16_t)port);
    return e;
}

int main(int argc, char **argv)
{
    static unsigned char *area;
    static struct mmsghdr messages[BATCH];
    static struct iovec rooms[BATCH];
    struct sigaction on_end = { .sa_handler = end };
    uint64_t received = 0, translated = 0, calls = 0;
    int gso = argc > 1 && strcmp(argv[1], "-g") == 0;

    argc -= gso;
    argv += gso;
    if (argc < 4 || argc > 3 + SERVERS_MAX) {
        fprintf(stderr, "usage: nfq-rewrite [-g] QUEUE VIP:PORT REALSERVER:PORT...\n");
        return 2;
    }
    queue_number = (uint16_t)strtoul(argv[1], NULL, 10);
    vip = parse_endpoint(argv[2]);
    for (int i = 3; i < argc; i++)
        servers[servers_count++] = parse_endpoint(argv[i]);
    connections = calloc(CONNECTIONS_MAX, sizeof *connections);
    inbound_chain = calloc(BUCKETS, sizeof *inbound_chain);
    outbound_chain = calloc(BUCKETS, sizeof *outbound_chain);
    area = malloc((size_t)BATCH * MESSAGE_MAX);
    if (connections == NULL || inbound_chain == NULL || outbound_chain == NULL || area == NULL)
        fail("allocate the tables");
    for (int i = 0; i < BATCH; i++) {
        rooms[i] = (struct iovec){ .iov_base = area + (size_t)i * MESSAGE_MAX, .iov_len = MESSAGE_MAX };
        messages[i].msg_hdr = (struct msghdr){ .msg_iov = &rooms[i], .msg_iovlen = 1 };
    }
    sigaction(SIGTERM, &on_end, NULL);
    sigaction(SIGINT, &on_end, NULL);
    open_queue(gso);
    puts("ready");
    fflush(stdout);

    while (!is_over) {
        int count = recvmmsg(queue, messages, BATCH, MSG_WAITFORONE, NULL);
        struct timespec now;

        if (count < 0) {
            if (errno == EINTR || errno == ENOBUFS)
                continue;
            fail("receive from the queue");
        }
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
        calls++;
        for (int i = 0; i < count; i++) {
            struct packet packet;
            int rewritten;

            if (!parse(rooms[i].iov_base, messages[i].msg_len, &packet))
                continue; /* the kernel's complaint about a verdict for a packet that is gone */
            received++;
            rewritten = translate(&packet, (uint32_t)now.tv_sec);
            translated += (uint64_t)rewritten;
            add_verdict(&packet, rewritten);
        }
        send_verdicts();
    }
    printf("received %llu translated %llu calls %llu refused %llu connections %u\n", (unsigned long long)received,
           (unsigned long long)translated, (unsigned long long)calls, (unsigned long long)refused, connections_used);
    return 0;
}
