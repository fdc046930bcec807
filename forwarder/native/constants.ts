/** Numbers of Linux's socket interface, the same on every architecture Node runs on but MIPS. */

// Address families and socket types, <bits/socket.h>
export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const AF_PACKET = 17
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3

// Protocols, <netinet/in.h>, <linux/netlink.h> and <linux/if_ether.h>
export const IPPROTO_RAW = 255
export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
export const ETH_P_ALL = 0x0003
export const ETH_P_IP = 0x0800
export const ETH_P_IPV6 = 0x86dd

// Option levels and options, <asm-generic/socket.h>, <linux/netlink.h>, <netinet/in.h>
export const SOL_SOCKET = 1
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_MARK = 36
export const SO_BINDTOIFINDEX = 62
export const SOL_NETLINK = 270
export const NETLINK_NO_ENOBUFS = 5
export const NETLINK_CAP_ACK = 10
export const SOL_IP = 0
export const IP_HDRINCL = 3
export const SOL_IPV6 = 41
export const IPV6_HDRINCL = 36

// errno, <asm-generic/errno.h>
export const EPERM = 1
export const ENOENT = 2
export const EAGAIN = 11
export const EACCES = 13
export const ENODEV = 19
export const EINVAL = 22
export const EMSGSIZE = 90
export const ENETUNREACH = 101
export const ENOBUFS = 105
export const EHOSTUNREACH = 113
