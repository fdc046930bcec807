/**
 * How a connection lies in memory: 32 words of 32 bits, two cache lines. The first line holds all that a lookup
 * compares, the second what a packet of the connection moves. The layout is plain memory with a version, so that it
 * can be shared, saved and taken over; everything that knows an offset is in `conn/`. What links records with each other
 * lies apart from them, in arrays of the index and of the wheel: whoever follows a chain touches four octets a record,
 * sixteen records a cache line, and no record that is only passed by.
 *
 * ```text
 *  word  0     4     8     12    13    14    15
 *       +------+-------+-----+-----+-----+-----+-----+
 *       |client|virtual|dest.|ports|kind |   spare   |
 *       | addr.| addr. |addr.|     |     |           |
 *       +------+-------+-----+-----+-----+-----+-----+
 *  word  16    17    18    19    20    21    22    23    24     25     26     27    28…31
 *       +-----+-----+-----+-----+-----+-----+-----+-----+------+------+------+-----+-----+
 *       |flags|state|time-|dead-|filed|hash |dest.|in   |con-  |con-  |fw-   |delta|full |
 *       |     |     | out | line|under|     |  id |pkts |trols |trolled|mark |     | NAT |
 *       +-----+-----+-----+-----+-----+-----+-----+-----+------+------+------+-----+-----+
 * ```
 */
export const LAYOUT_VERSION = 2
export const RECORD_WORDS = 32
export const RECORD_BYTES = RECORD_WORDS * 4

/** Word offsets in a record. Addresses take four words; IPv4 the first of them. */
export const WORD = {
  client: 0,
  virtual: 4,
  destination: 8,
  /** Client port in the high half, virtual port in the low. */
  ports: 12,
  /** Destination port in the high half, then the protocol's eight bits, then {@link KIND} bits. */
  kind: 13,
  flags: 16,
  state: 17,
  timeoutTicks: 18,
  deadlineTick: 19,
  /** The tick under which the wheel holds the record: at or before the deadline. */
  filedTick: 20,
  /** The hash under which the index holds the record. */
  hash: 21,
  destinationId: 22,
  inPackets: 23,
  /** The record of the connection that controls this one (its template), or 0. */
  controller: 24,
  /** How many connections this one controls. */
  controlled: 25,
  fwmark: 26,
  /** Folded checksum difference of the rewriting from virtual to destination endpoint. */
  natDelta: 27,
  /** Full NAT: the pool of local ports, and the port taken from it. */
  localPool: 28,
  localPort: 29,
} as const

/** Words by which a table finds its own records again; in another table they mean nothing. */
export const FILING: readonly number[] = [WORD.filedTick, WORD.hash]

/** The low byte of {@link WORD.kind}. */
export const KIND = { ipv6: 1, destinationIpv6: 2 } as const

/** Connection flags; the numbers are those of IPVS (and of its sync messages). */
export const FLAG = {
  methodMask: 0x0007,
  sync: 0x0020,
  hashed: 0x0040,
  /** No packet from the server seen so far: the state follows from the client's packets alone. */
  noOutput: 0x0080,
  /** Counted in its destination's inactive connections. */
  inactive: 0x0100,
  noClientPort: 0x0800,
  template: 0x1000,
  onePacket: 0x2000,
  /** Ours alone: a template with data of a persistence engine, kept beside the table. */
  engineData: 0x100000,
  /** Ours alone: a control connection of FTP, whose text is read. */
  helped: 0x200000,
  /** Ours alone: the client is masqueraded too; {@link WORD.localPool} and {@link WORD.localPort} say behind what. */
  fullNat: 0x400000,
} as const

/** A template's state: 1 once a connection through it was answered. */
export const TEMPLATE_STATE = { none: 0, assured: 1 } as const

/** No record: records are numbered from 1, so that fresh zeroed memory is an empty table. */
export const NONE = 0

/** The most records there can be: their numbers have 24 bits. */
export const RECORDS_MAX = 0xff_ffff
