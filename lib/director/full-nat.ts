/**
 * Full NAT, which kernel IPVS does not have: the client too is masqueraded, behind an address of the director's own and a
 * port that no other connection to the same real server has. So servers need no route through the director, and a
 * client may be in their own network.
 */

import type { IpAddress } from '../bytes/address.ts'
import type { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, NONE, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { type Local, withLocalDelta } from '../encode/nat.ts'
import type { Destination } from '../service/destination.ts'
import type { Packet } from '../wire/packet.ts'

/** Local ports are taken from here: below Linux's default range for connections of its own, which must not be met with. */
const PORTS = { from: 1024, count: 31_744 } as const

/** Pools that are empty are kept up to this many: a quiet service need not make its own anew for each connection. */
const POOLS_KEPT = 64

/** The local ports towards one real server's endpoint. */
interface PortPool {
  readonly protocol: number
  readonly local: IpAddress
  readonly server: IpAddress
  readonly serverPort: number
  /** By port, from `PORTS.from`: the connection that has it, or {@link NONE}. */
  readonly records: Int32Array
  /** Where the search for a free port begins. */
  next: number
  used: number
}

export class FullNat {
  readonly #connections: ConnectionTable
  readonly #random: () => number
  /** By number, as connections name them; emptied places are used again. */
  readonly #pools: (PortPool | null)[] = []
  readonly #byServer = new Map<number, number[]>()
  /** Of an imitation: by the records of the one imitated, its own. The pools are borrowed, and copied before a change. */
  #copyOf: ((record: number) => number) | null = null

  constructor(connections: ConnectionTable, random: () => number) {
    this.#connections = connections
    this.#random = random
  }

  /** Whether no connection has been under full NAT, so that nobody need look for one. */
  get isUnused(): boolean {
    return this.#byServer.size === 0
  }

  /** Puts the new connection behind a local port; false when every port towards its server is taken. */
  bind(record: number, { address, path }: Destination): boolean {
    if (path === null) return false
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    const protocol = (words[base + WORD.kind]! >>> 8) & 0xff
    const number = this.#poolOf(protocol, path.sourceAddress, address, words[base + WORD.kind]! >>> 16)
    const pool = this.#poolToChange(number)
    if (pool.used === PORTS.count) return false
    while (pool.records[pool.next] !== NONE) pool.next = (pool.next + 1) % PORTS.count
    const local = { address: path.sourceAddress, port: PORTS.from + pool.next }
    pool.records[pool.next] = record
    pool.next = (pool.next + 1) % PORTS.count
    pool.used++
    words[base + WORD.flags]! |= FLAG.fullNat
    words[base + WORD.localPool] = number
    words[base + WORD.localPort] = local.port
    words[base + WORD.natDelta] = withLocalDelta(words[base + WORD.natDelta]!, words, base, local)
    return true
  }

  /** The director's endpoint of a connection under full NAT. Allocates. */
  localOf(record: number): Local {
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    const pool = this.#pools[words[base + WORD.localPool]!] as PortPool
    return { address: pool.local, port: words[base + WORD.localPort]! }
  }

  /** The connection of a real server's packet to one of our ports, or {@link NONE}. */
  find(packet: Packet): number {
    const index = packet.destinationPort - PORTS.from
    if (index < 0 || index >= PORTS.count) return NONE
    const { protocol, sourceW0, sourceW1, sourceW2, sourceW3, sourcePort } = packet
    const numbers = this.#byServer.get(hashOf(protocol, sourceW0, sourceW1, sourceW2, sourceW3, sourcePort))
    if (numbers === undefined) return NONE
    for (const number of numbers) {
      const pool = this.#pools[number] as PortPool
      if (!isBetween(pool, packet)) continue
      const record = pool.records[index]!
      return this.#unlessOver(this.#copyOf === null ? record : this.#copyOf(record))
    }
    return NONE
  }

  /** A connection that is over keeps its port until it is forgotten, but no packet belongs to it. */
  #unlessOver(record: number): number {
    const isOver = (this.#connections.words[record * RECORD_WORDS + WORD.flags]! & FLAG.hashed) === 0
    return isOver ? NONE : record
  }

  /** Finds and binds from now on what the other would; `copyOf` gives the own record for one of the other's. */
  imitate(other: FullNat, copyOf: (record: number) => number): void {
    this.#copyOf = copyOf
    for (const pool of other.#pools) this.#pools.push(pool)
    for (const [hash, numbers] of other.#byServer) this.#byServer.set(hash, numbers)
  }

  /** The connection goes: its port is free. */
  release(record: number): void {
    const { words } = this.#connections
    const base = record * RECORD_WORDS
    const number = words[base + WORD.localPool]!
    const pool = this.#poolToChange(number)
    pool.records[words[base + WORD.localPort]! - PORTS.from] = NONE
    pool.used--
    if (pool.used === 0 && this.#byServer.size > POOLS_KEPT) this.#forget(number, pool)
  }

  #poolOf(protocol: number, local: IpAddress, server: IpAddress, serverPort: number): number {
    const hash = hashOf(protocol, server.w0, server.w1, server.w2, server.w3, serverPort)
    const numbers = this.#byServer.get(hash) ?? []
    const known = numbers.find((number) => {
      const pool = this.#pools[number] as PortPool
      const isSameServer = pool.server.equals(server) && pool.serverPort === serverPort
      return isSameServer && pool.protocol === protocol && pool.local.equals(local)
    })
    if (known !== undefined) return known
    const free = this.#pools.indexOf(null)
    const number = free < 0 ? this.#pools.length : free
    this.#pools[number] = {
      protocol,
      local,
      server,
      serverPort,
      records: new Int32Array(PORTS.count),
      next: Math.floor(this.#random() * PORTS.count),
      used: 0,
    }
    this.#byServer.set(hash, [...numbers, number])
    return number
  }

  #poolToChange(number: number): PortPool {
    const pool = this.#pools[number] as PortPool
    if (this.#copyOf === null) return pool
    const own = { ...pool, records: pool.records.slice() }
    this.#pools[number] = own
    return own
  }

  #forget(number: number, { protocol, server, serverPort }: PortPool): void {
    const hash = hashOf(protocol, server.w0, server.w1, server.w2, server.w3, serverPort)
    const rest = (this.#byServer.get(hash) as number[]).filter((each) => each !== number)
    if (rest.length === 0) this.#byServer.delete(hash)
    else this.#byServer.set(hash, rest)
    this.#pools[number] = null
  }
}

/** Whether the packet comes from the pool's server and goes to its local address. */
const isBetween = ({ protocol, server, serverPort, local }: PortPool, packet: Packet): boolean =>
  protocol === packet.protocol &&
  serverPort === packet.sourcePort &&
  server.family === packet.family &&
  server.w0 === packet.sourceW0 &&
  server.w1 === packet.sourceW1 &&
  server.w2 === packet.sourceW2 &&
  server.w3 === packet.sourceW3 &&
  local.w0 === packet.destinationW0 &&
  local.w1 === packet.destinationW1 &&
  local.w2 === packet.destinationW2 &&
  local.w3 === packet.destinationW3

const hashOf = (protocol: number, w0: number, w1: number, w2: number, w3: number, port: number): number =>
  Math.imul(w0 ^ w1 ^ w2 ^ w3 ^ (protocol << 16) ^ port, 0x61c88647)
