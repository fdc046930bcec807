/**
 * How a connection lies in memory: 32 words of 32 bits, two cache lines. The first line holds all that a lookup
 * compares, the second what a packet of the connection moves. The layout is plain memory with a version, so that it
 * can be shared, saved and taken over; everything that knows an offset is in `conn/`.
 *
 * ```text
 *  word  0     4     8     12    13    14    15
 *       +-----+-----+-----+-----+-----+-----+-----+
 *       |client|virtual|dest.|ports|kind |next |dest.|
 *       | addr.| addr. |addr.|     |     |hash |  id |
 *       +-----+-----+-----+-----+-----+-----+-----+
 *  word  16    17    18    19    20    21   22   23    24     25     26     27    28…31
 *       +-----+-----+-----+-----+-----+----+----+-----+------+------+------+-----+-----+
 *       |flags|state|time-|dead-|filed|next|prev|in   |con-  |con-  |fw-   |delta|spare|
 *       |     |     | out | line|under|wheel    |pkts |trols |trolled|mark |     |     |
 *       +-----+-----+-----+-----+-----+----+----+-----+------+------+------+-----+-----+
 * ```
 */
export const LAYOUT_VERSION = 1
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
  /** The next record of the same hash bucket; in a free record, the next free one. */
  nextInBucket: 14,
  destinationId: 15,
  flags: 16,
  state: 17,
  timeoutTicks: 18,
  deadlineTick: 19,
  /** The tick under which the wheel holds the record: at or before the deadline. */
  filedTick: 20,
  nextInSlot: 21,
  previousInSlot: 22,
  inPackets: 23,
  /** The record of the connection that controls this one (its template), or 0. */
  controller: 24,
  /** How many connections this one controls. */
  controlled: 25,
  fwmark: 26,
  /** Folded checksum difference of the rewriting from virtual to destination endpoint. */
  natDelta: 27,
} as const

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
} as const

/** A template's state: 1 once a connection through it was answered. */
export const TEMPLATE_STATE = { none: 0, assured: 1 } as const

/** No record: records are numbered from 1, so that fresh zeroed memory is an empty table. */
export const NONE = 0
