/**
 * Whole IP packets as annotated hex. Those of `KERNEL` were recorded from Linux 6.1 IPVS (checksum offload off, so
 * every checksum is as on the wire); the values that tests expect of them were read off by hand and by tcpdump.
 */
export const KERNEL = {
  /** 10.9.0.1:3001 > 10.0.0.1:80, PSH ACK, "GET / HTTP/1.0" and an empty line. */
  tcp4: `
    45 10 003a 1234 4000 40 06 1470 0a090001 0a000001       # IPv4: TOS 0x10, DF, TTL 64
    0bb9 0050 00000065 000001f5 5018 2000 8ead 0000         # TCP: seq 101, ack 501, window 8192
    474554202f20485454502f312e300d0a0d0a`,
  /** The same packet after masquerading to 192.168.1.1:8080: TTL, address, port and three checksums changed. */
  tcp4Masqueraded: `
    45 10 003a 1234 4000 3f 06 5dc7 0a090001 c0a80101
    0bb9 1f90 00000065 000001f5 5018 2000 b7c4 0000
    474554202f20485454502f312e300d0a0d0a`,
  /** 10.9.0.1:3002 > 10.0.0.1:53, "abc" without a UDP checksum. */
  udp4WithoutChecksum: `
    45 00 001f 1234 4000 40 11 1490 0a090001 0a000001
    0bba 0035 000b 0000
    616263`,
  /** 10.9.0.1:3004 > 10.0.0.1:53, "abcd", behind four no-operation options. */
  udp4WithOptions: `
    46 00 0024 1234 4000 40 11 1189 0a090001 0a000001 01010101
    0bbc 0035 000c 1b14
    61626364`,
  /** Time exceeded from 10.0.0.1, quoting the whole of 10.9.0.1:3006 > 10.0.0.1:53. */
  icmp4TimeExceeded: `
    45 c0 003b a33f 0000 40 01 c2b8 0a000001 0a090001
    0b 00 0927 00000000
    45 00 001f 1234 4000 01 11 5390 0a090001 0a000001
    0bbe 0035 000b 1b78 616263`,
  /** Fragmentation needed, MTU 1400, quoting 28 octets of 10.0.0.1:80 > 10.9.0.1:3060, whose total length says 40. */
  icmp4FragmentationNeeded: `
    45 00 0038 1234 4000 40 01 0d83 0a070707 0a000001
    03 04 eb3a 0000 0578
    45 00 0028 1234 4000 3c 06 1892 0a000001 0a090001
    0050 0bf4 00000005`,
  /** [fd09::1]:3055 > [fd00::1]:80, SYN; traffic class 0x12, flow label 0x12345. */
  tcp6: `
    61212345 0014 06 40
    fd09 0000 0000 0000 0000 0000 0000 0001
    fd00 0000 0000 0000 0000 0000 0000 0001
    0bef 0050 000003e8 00000000 5002 2000 85af 0000`,
  /** [fd09::1]:3057 > [fd00::1]:53, "abc", behind a hop-by-hop options header. */
  udp6BehindHopByHop: `
    60000000 0013 00 40
    fd09 0000 0000 0000 0000 0000 0000 0001
    fd00 0000 0000 0000 0000 0000 0000 0001
    11 00 0104 00000000                                     # next header UDP; PadN of 6 octets
    0bf1 0035 000b 3543
    616263`,
  /** Packet too big, MTU 1400, from fd07::7, quoting [fd00::1]:80 > [fd09::1]:3062. */
  icmp6PacketTooBig: `
    60000000 0044 3a 40
    fd07 0000 0000 0000 0000 0000 0000 0007
    fd00 0000 0000 0000 0000 0000 0000 0001
    02 00 97c2 00000578
    60000000 0014 06 3c
    fd00 0000 0000 0000 0000 0000 0000 0001
    fd09 0000 0000 0000 0000 0000 0000 0001
    0050 0bf6 000003e8 00000000 5010 2000 859a 0000`,
  /** First fragment of 10.9.0.1:3083 > 10.0.0.1:53, 72 octets of UDP in all. */
  udp4FirstFragment: `
    45 00 0034 0077 2000 40 11 4638 0a090001 0a000001
    0c0b 0035 0048 b6eb
    414141414141414141414141414141414141414141414141`,
  /** And the rest of it, from offset 32. */
  udp4LaterFragment: `
    45 00 003c 0077 0004 40 11 662c 0a090001 0a000001
    41414141414141414141414141414141414141414141414141414141414141414141414141414141`,
  /** The same datagram as the director's kernel fragmented it again, masqueraded to 192.168.1.1:5300. */
  udp4RefragmentedFirst: `
    45 00 003c 0077 2000 3f 11 8f87 0a090001 c0a80101
    0c0b 14b4 0048 eac3
    4141414141414141414141414141414141414141414141414141414141414141`,
  udp4RefragmentedLater: `
    45 00 0034 0077 0005 3f 11 af8a 0a090001 c0a80101
    4141414141414141414141414141414141414141414141414141414141414141`,
  /** First fragment of [fd09::1]:3084 > [fd00::1]:53, 72 octets of UDP in all. */
  udp6FirstFragment: `
    60000000 0028 2c 40
    fd09 0000 0000 0000 0000 0000 0000 0001
    fd00 0000 0000 0000 0000 0000 0000 0001
    11 00 0001 00000055
    0c0c 0035 0048 b0c8
    424242424242424242424242424242424242424242424242`,
  /** And the rest of it, from offset 32. */
  udp6LaterFragment: `
    60000000 0030 2c 40
    fd09 0000 0000 0000 0000 0000 0000 0001
    fd00 0000 0000 0000 0000 0000 0000 0001
    11 00 0020 00000055
    42424242424242424242424242424242424242424242424242424242424242424242424242424242`,
  /** IPv4 within IPv6: fd01::254 > fd01::3, carrying 10.9.0.1:3018 > 10.0.0.1:102. */
  ipip4in6: `
    62a00000 0028 04 3f
    fd01 0000 0000 0000 0000 0000 0000 0254
    fd01 0000 0000 0000 0000 0000 0000 0003
    45 2b 0028 1111 4000 3f 06 168a 0a090001 0a000001
    0bca 0066 000003e8 00000000 5002 2000 6bc0 0000`,
  /** An authentication header, 10.9.0.1 > 10.0.0.1: a protocol without ports. */
  ah4: `
    45 00 0028 1234 4000 40 33 1465 0a090001 0a000001
    06 04 0000 00000001 00000001 6162636465666768`,
} as const

/** The worked example of RFC 1071 §3: its octets sum to 0xddf2. */
export const RFC1071_EXAMPLE = '0001 f203 f4f5 f6f7'

/** The worked example of RFC 1624 §4: a header field 0x5555 becomes 0x3285, and the checksum 0xdd2f becomes 0x0000. */
export const RFC1624_EXAMPLE = { checksum: 0xdd2f, was: 0x5555, is: 0x3285, becomes: 0x0000 } as const

/** Packets built by others, as annotated hex. */
export const SCAPY = {
  /** INIT from 127.0.0.1 to itself, of Scapy's regression tests for SCTP (`SCTP - Chunk Init - build`). */
  sctpInit: `
    45 00 003c 0001 0000 40 84 7c3b 7f000001 7f000001
    0000 0000 00000000 402c0b5f
    01 00 001c 00000000 00000000 0000 0000 00000000 0005 0008 7f000001`,
} as const
