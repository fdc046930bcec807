/*
 * The one seam between uipvs and the operating system: sockets, tun devices, poll and event descriptors as plain
 * functions of numbers and typed arrays. It knows no protocol; every byte is made and read in TypeScript.
 *
 * Every function returns a number: 0 or more on success, a negative errno on failure. Nothing is thrown, so the
 * forwarding path needs no exception handling; wrong arguments are -EINVAL. Every range is checked against its
 * array before the kernel sees it.
 *
 * Node-API 8 only, thus independent of the Node version, and usable from several worker threads at once: the
 * only state is, per environment, the list of descriptors it opened, closed when the environment ends.
 */
#define _GNU_SOURCE
#define NAPI_VERSION 8
#include <node_api.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>

enum {
  ARGUMENTS_MAX = 8,
  DESCRIPTORS_MAX = 1024, /* open at once in one environment */
  DATAGRAMS_MAX = 256,    /* in one recvmmsg or sendmmsg */
  RANGES_MAX = 1024,      /* in one sendmsg: the kernel's UIO_MAXIOV */
  POLLED_MAX = 256,
};

/* ---- Descriptors: whoever opened one owns it; a thread that dies leaves none behind. ---- */

struct descriptors {
  int count;
  int open[DESCRIPTORS_MAX];
};

static struct descriptors *descriptors_of(napi_env env) {
  void *data = NULL;
  return napi_get_instance_data(env, &data) == napi_ok ? data : NULL;
}

/* Takes over the result of a system call that opens; returns what the caller shall see. */
static int32_t own(napi_env env, int fd) {
  struct descriptors *all = descriptors_of(env);
  if (fd < 0) return -errno;
  if (all == NULL || all->count == DESCRIPTORS_MAX) {
    close(fd);
    return -EMFILE;
  }
  all->open[all->count++] = fd;
  return fd;
}

static int32_t disown(napi_env env, int fd) {
  struct descriptors *all = descriptors_of(env);
  for (int i = 0; all != NULL && i < all->count; i++) {
    if (all->open[i] != fd) continue;
    all->open[i] = all->open[--all->count];
    return close(fd) == 0 ? 0 : -errno;
  }
  return -EBADF;
}

static void close_all(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  struct descriptors *all = data;
  for (int i = 0; i < all->count; i++) close(all->open[i]);
  free(all);
}

/* ---- Arguments and results ---- */

struct octets {
  uint8_t *at;
  size_t length;
};

struct words {
  int32_t *at;
  size_t length;
};

static bool take_array(napi_env env, napi_value value, napi_typedarray_type wanted, void **at, size_t *length) {
  bool is_array = false;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array) return false;
  if (napi_get_typedarray_info(env, value, &type, length, at, NULL, NULL) != napi_ok) return false;
  return type == wanted;
}

/* Reads the arguments as `shape` says: i int32, o octets (Uint8Array or Buffer), w words (Int32Array). */
static bool take(napi_env env, napi_callback_info info, const char *shape, ...) {
  napi_value values[ARGUMENTS_MAX];
  size_t given = ARGUMENTS_MAX;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok || given < strlen(shape)) return false;
  va_list out;
  va_start(out, shape);
  bool good = true;
  for (size_t i = 0; good && shape[i] != '\0'; i++) {
    if (shape[i] == 'i') {
      good = napi_get_value_int32(env, values[i], va_arg(out, int32_t *)) == napi_ok;
    } else if (shape[i] == 'o') {
      struct octets *octets = va_arg(out, struct octets *);
      good = take_array(env, values[i], napi_uint8_array, (void **)&octets->at, &octets->length);
    } else {
      struct words *words = va_arg(out, struct words *);
      good = take_array(env, values[i], napi_int32_array, (void **)&words->at, &words->length);
    }
  }
  va_end(out);
  return good;
}

static napi_value give(napi_env env, int64_t result) {
  napi_value value = NULL;
  napi_create_int32(env, result > INT32_MAX ? INT32_MAX : (int32_t)result, &value);
  return value;
}

/* Turns `count` pairs of offset and length into vectors; false when one is not wholly inside `area`. */
static bool vectors_of(struct octets area, struct words ranges, int32_t count, struct iovec *vectors) {
  if (count < 0 || ranges.length / 2 < (size_t)count) return false;
  for (int32_t i = 0; i < count; i++) {
    int32_t offset = ranges.at[2 * i], length = ranges.at[2 * i + 1];
    if (offset < 0 || length < 0 || (size_t)offset + (size_t)length > area.length) return false;
    vectors[i] = (struct iovec){ .iov_base = area.at + offset, .iov_len = (size_t)length };
  }
  return true;
}

/* ---- Sockets ---- */

/* open(domain, type, protocol): a descriptor, closed on exec and in blocking mode. */
static napi_value seam_open(napi_env env, napi_callback_info info) {
  int32_t domain, type, protocol;
  if (!take(env, info, "iii", &domain, &type, &protocol)) return give(env, -EINVAL);
  return give(env, own(env, socket(domain, type | SOCK_CLOEXEC, protocol)));
}

/* close(fd): only what this thread opened; anything else is -EBADF. */
static napi_value seam_close(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!take(env, info, "i", &fd)) return give(env, -EINVAL);
  return give(env, disown(env, fd));
}

/* setOption(fd, level, name, value), for options that are an int. */
static napi_value seam_set_option(napi_env env, napi_callback_info info) {
  int32_t fd, level, name, value;
  if (!take(env, info, "iiii", &fd, &level, &name, &value)) return give(env, -EINVAL);
  return give(env, setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno);
}

/* getOption(fd, level, name): the option's value, for options that are never negative. */
static napi_value seam_get_option(napi_env env, napi_callback_info info) {
  int32_t fd, level, name, value = 0;
  socklen_t length = sizeof value;
  if (!take(env, info, "iii", &fd, &level, &name)) return give(env, -EINVAL);
  return give(env, getsockopt(fd, level, name, &value, &length) == 0 ? value : -errno);
}

/* bindNetlink(fd, groups): 0. The kernel chooses the port id. */
static napi_value seam_bind_netlink(napi_env env, napi_callback_info info) {
  int32_t fd, groups;
  if (!take(env, info, "ii", &fd, &groups)) return give(env, -EINVAL);
  struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = (uint32_t)groups };
  return give(env, bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno);
}

/* bindPacket(fd, deviceIndex, protocol): 0. The protocol is an EtherType in host order. */
static napi_value seam_bind_packet(napi_env env, napi_callback_info info) {
  int32_t fd, device, protocol;
  if (!take(env, info, "iii", &fd, &device, &protocol)) return give(env, -EINVAL);
  struct sockaddr_ll address = {
    .sll_family = AF_PACKET, .sll_ifindex = device, .sll_protocol = htons((uint16_t)protocol)
  };
  return give(env, bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno);
}

/*
 * receiveBatch(fd, area, slotBytes, slotHeadroomBytes, slots, lengths): how many datagrams arrived, 0 when none
 * waits. Datagram i starts at i * slotBytes + slotHeadroomBytes; lengths[i] is its true length, which is more
 * than slotBytes - slotHeadroomBytes where the slot was too short and its end is lost.
 */
static napi_value seam_receive_batch(napi_env env, napi_callback_info info) {
  struct octets area;
  struct words lengths;
  int32_t fd, slot_bytes, headroom, slots;
  if (!take(env, info, "ioiiiw", &fd, &area, &slot_bytes, &headroom, &slots, &lengths))
    return give(env, -EINVAL);
  if (slots < 1 || slots > DATAGRAMS_MAX || lengths.length < (size_t)slots) return give(env, -EINVAL);
  if (headroom < 0 || headroom >= slot_bytes) return give(env, -EINVAL);
  if ((size_t)slots * (size_t)slot_bytes > area.length) return give(env, -EINVAL);
  struct mmsghdr datagrams[DATAGRAMS_MAX];
  struct iovec vectors[DATAGRAMS_MAX];
  memset(datagrams, 0, sizeof *datagrams * (size_t)slots);
  for (int32_t i = 0; i < slots; i++) {
    vectors[i].iov_base = area.at + (size_t)i * (size_t)slot_bytes + headroom;
    vectors[i].iov_len = (size_t)(slot_bytes - headroom);
    datagrams[i].msg_hdr.msg_iov = &vectors[i];
    datagrams[i].msg_hdr.msg_iovlen = 1;
  }
  int count;
  do count = recvmmsg(fd, datagrams, (unsigned)slots, MSG_DONTWAIT | MSG_TRUNC, NULL);
  while (count < 0 && errno == EINTR);
  if (count < 0) return give(env, errno == EAGAIN ? 0 : -errno);
  for (int i = 0; i < count; i++) lengths.at[i] = (int32_t)datagrams[i].msg_len;
  return give(env, count);
}

/* sendRanges(fd, area, ranges, count): the ranges, in order, as ONE datagram to the peer; the bytes sent. */
static napi_value seam_send_ranges(napi_env env, napi_callback_info info) {
  struct octets area;
  struct words ranges;
  int32_t fd, count;
  struct iovec vectors[RANGES_MAX];
  if (!take(env, info, "iowi", &fd, &area, &ranges, &count)) return give(env, -EINVAL);
  if (count > RANGES_MAX || !vectors_of(area, ranges, count, vectors)) return give(env, -EINVAL);
  struct msghdr datagram = { .msg_iov = vectors, .msg_iovlen = (size_t)(count < 0 ? 0 : count) };
  ssize_t sent;
  do sent = sendmsg(fd, &datagram, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return give(env, sent < 0 ? -errno : sent);
}

/*
 * sendEach(fd, area, ranges, addresses, addressBytes, results, count): each range as a datagram of its own, to
 * the socket address at i * addressBytes of `addresses`. Never waits. results[i] becomes 0 or the negative errno
 * of datagram i, and one that fails does not hold up the next. Returns how many left.
 */
static napi_value seam_send_each(napi_env env, napi_callback_info info) {
  struct octets area, addresses;
  struct words ranges, results;
  int32_t fd, address_bytes, count;
  if (!take(env, info, "iowoiwi", &fd, &area, &ranges, &addresses, &address_bytes, &results, &count))
    return give(env, -EINVAL);
  struct iovec vectors[DATAGRAMS_MAX];
  struct mmsghdr datagrams[DATAGRAMS_MAX];
  if (count > DATAGRAMS_MAX || !vectors_of(area, ranges, count, vectors)) return give(env, -EINVAL);
  if (address_bytes < 1 || (size_t)count * (size_t)address_bytes > addresses.length) return give(env, -EINVAL);
  if (results.length < (size_t)count) return give(env, -EINVAL);
  memset(datagrams, 0, sizeof *datagrams * (size_t)count);
  for (int32_t i = 0; i < count; i++) {
    datagrams[i].msg_hdr.msg_iov = &vectors[i];
    datagrams[i].msg_hdr.msg_iovlen = 1;
    datagrams[i].msg_hdr.msg_name = addresses.at + (size_t)i * (size_t)address_bytes;
    datagrams[i].msg_hdr.msg_namelen = (socklen_t)address_bytes;
  }
  int32_t sent = 0;
  for (int32_t next = 0; next < count;) {
    int now = sendmmsg(fd, datagrams + next, (unsigned)(count - next), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) {
      results.at[next++] = now < 0 ? -errno : -EIO;
      continue;
    }
    for (int i = 0; i < now; i++) results.at[next++] = 0;
    sent += now;
  }
  return give(env, sent);
}

/* ---- Devices ---- */

/*
 * attachTun(fd, name): makes an open /dev/net/tun the tun device `name`: 16 octets, the last of them NUL, which
 * become the name the kernel gave, where a pattern such as `tun%d` was asked for. From then on, a read is a
 * packet and a write is one, with nothing in front of its IP header.
 */
static napi_value seam_attach_tun(napi_env env, napi_callback_info info) {
  struct octets name;
  int32_t fd;
  if (!take(env, info, "io", &fd, &name)) return give(env, -EINVAL);
  if (name.length != IFNAMSIZ || name.at[IFNAMSIZ - 1] != '\0') return give(env, -EINVAL);
  struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
  memcpy(request.ifr_name, name.at, IFNAMSIZ);
  if (ioctl(fd, TUNSETIFF, &request) != 0) return give(env, -errno);
  memcpy(name.at, request.ifr_name, IFNAMSIZ);
  return give(env, 0);
}

/* ---- Waiting and waking ---- */

/*
 * poll(fds, ready, count, timeoutMs): how many are ready, 0 after the timeout or a signal; ready[i] becomes the
 * events of fds[i]. A negative descriptor is left out, a negative timeout waits without limit.
 */
static napi_value seam_poll(napi_env env, napi_callback_info info) {
  struct words fds, ready;
  int32_t count, timeout_ms;
  if (!take(env, info, "wwii", &fds, &ready, &count, &timeout_ms)) return give(env, -EINVAL);
  if (count < 0 || count > POLLED_MAX || fds.length < (size_t)count || ready.length < (size_t)count)
    return give(env, -EINVAL);
  struct pollfd polled[POLLED_MAX];
  for (int32_t i = 0; i < count; i++) polled[i] = (struct pollfd){ .fd = fds.at[i], .events = POLLIN };
  int found = poll(polled, (nfds_t)count, timeout_ms);
  if (found < 0 && errno != EINTR) return give(env, -errno);
  for (int32_t i = 0; i < count; i++) ready.at[i] = found > 0 ? polled[i].revents : 0;
  return give(env, found < 0 ? 0 : found);
}

/* eventfd(): a descriptor that poll finds ready once signalled, until drained. Any thread may signal it. */
static napi_value seam_eventfd(napi_env env, napi_callback_info info) {
  (void)info;
  return give(env, own(env, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)));
}

/* signal(fd): 0. A counter that is full stays ready, which is all a signal asks for. */
static napi_value seam_signal(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!take(env, info, "i", &fd)) return give(env, -EINVAL);
  const uint64_t one = 1;
  return give(env, write(fd, &one, sizeof one) == sizeof one || errno == EAGAIN ? 0 : -errno);
}

/* drain(fd): how often it was signalled since the last drain. */
static napi_value seam_drain(napi_env env, napi_callback_info info) {
  int32_t fd;
  if (!take(env, info, "i", &fd)) return give(env, -EINVAL);
  uint64_t signals = 0;
  if (read(fd, &signals, sizeof signals) == sizeof signals)
    return give(env, signals > INT32_MAX ? INT32_MAX : (int64_t)signals);
  return give(env, errno == EAGAIN ? 0 : -errno);
}

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
    { "open", seam_open },
    { "close", seam_close },
    { "setOption", seam_set_option },
    { "getOption", seam_get_option },
    { "bindNetlink", seam_bind_netlink },
    { "bindPacket", seam_bind_packet },
    { "receiveBatch", seam_receive_batch },
    { "sendRanges", seam_send_ranges },
    { "sendEach", seam_send_each },
    { "attachTun", seam_attach_tun },
    { "poll", seam_poll },
    { "eventfd", seam_eventfd },
    { "signal", seam_signal },
    { "drain", seam_drain },
  };
  struct descriptors *all = calloc(1, sizeof *all);
  if (all == NULL || napi_set_instance_data(env, all, close_all, NULL) != napi_ok) {
    free(all);
    napi_throw_error(env, "ENOMEM", "no memory for the seam's table of descriptors");
    return NULL;
  }
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    const char *name = functions[i].name;
    if (napi_create_function(env, name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, name, function) != napi_ok)
      return NULL;
  }
  return exports;
}
