/** The schedulers that hash addresses, each by its definition; the hashes with big integers, in no hurry. */

import type { IpAddress } from '../../../lib/bytes/address.ts'
import { type Asked, isEligible, type Rule, type Server } from './model.ts'

const SLOTS = 256
const WORD_MASK = 0xffff_ffffn
const LONG_MASK = 0xffff_ffff_ffff_ffffn
const PROTOCOLS_WITH_PORTS = [6, 17, 132]

/** The address as a number: of IPv6 its four words, one over the other. */
const fold = ({ w0, w1, w2, w3 }: IpAddress): bigint => BigInt((w0 ^ w1 ^ w2 ^ w3) >>> 0)

/** Multiplicative hashing: the top eight bits of 32. */
const slotOf = (key: bigint): number => Number((((key & WORD_MASK) * 0x61c8_8647n) & WORD_MASK) >> 24n)

const portOf = ({ protocol, clientPort }: Asked, hashesPort: boolean): bigint =>
  hashesPort && PROTOCOLS_WITH_PORTS.includes(protocol) ? BigInt(clientPort) : 0n

/** The slots go round the servers. */
export const dh = (): Rule => ({
  pick(pool, { virtual }) {
    const found = pool[slotOf(fold(virtual)) % pool.length]
    return found !== undefined && isEligible(found) ? found : null
  },
})

/** As many slots in a row as a server has weight, and one without; round and round. */
export const sh = (): Rule => ({
  pick(pool, asked, { hasFallback, hashesPort }) {
    const turns = pool.map((server) =>
      new Array<Server>(Math.min(SLOTS, Math.max(1, server.weight))).fill(server),
    )
    const round = turns.flat()
    const slot = (at: number): Server | undefined => round[(at % SLOTS) % round.length]
    const hash = slotOf(fold(asked.client) + portOf(asked, hashesPort))
    const first = slot(hash)
    if (first === undefined) return null
    if (isEligible(first)) return first
    if (!hasFallback) return null
    // From twice the hash on: the kernel adds it once more.
    for (let offset = 0; offset < SLOTS; offset++) {
      const other = slot(2 * hash + offset)!
      if (isEligible(other)) return other
    }
    return null
  },
})

const MAGLEV_SLOTS = 4093
const MAGLEV_TURN_BITS = 6
const PLACE_KEY = 2_654_435_761n
const STRIDE_KEY = 2_654_446_892n

/** By the table of D. E. Eisenbud et al., *Maglev*, 2016, in which servers have turns by their weight. */
export function mh(): Rule {
  let table: readonly Server[] | null = null
  return {
    pick(pool, asked, { hasFallback, hashesPort }) {
      table ??= maglevTable(pool)
      if (table.length === 0) return null
      const key = fold(asked.client) + portOf(asked, hashesPort)
      const slotOfTry = (at: number): number =>
        Number(sip13(PLACE_KEY, key + BigInt(at)) % BigInt(MAGLEV_SLOTS))
      const first = slotOfTry(0)
      const found = table[first]!
      if (isEligible(found)) return found
      // Looking for an eligible one where there is none takes long, and does not find it.
      if (!hasFallback || !table.some(isEligible)) return null
      for (let offset = 0; offset < MAGLEV_SLOTS; offset++) {
        const other = table[slotOfTry((offset + first) % MAGLEV_SLOTS)]!
        if (isEligible(other)) return other
      }
      return null
    },
    changed() {
      table = null
    },
  }
}

function maglevTable(pool: readonly Server[]): readonly Server[] {
  const weighted = pool.filter(({ lastWeight }) => lastWeight > 0)
  if (weighted.length === 0) return []
  const divisor = weighted.map(({ lastWeight }) => lastWeight).reduce(greatestCommonDivisor)
  const shares = weighted.map(({ lastWeight }) => Math.floor(lastWeight / divisor))
  const shift = Math.max(0, Math.max(...shares).toString(2).length - MAGLEV_TURN_BITS)
  const table = new Array<Server | null>(MAGLEV_SLOTS).fill(null)
  const walks = weighted.map((server, index) => {
    const key = fold(server.address) + BigInt(server.port)
    return {
      server,
      turns: Math.max(1, shares[index]! >> shift),
      at: Number(sip13(PLACE_KEY, key) % BigInt(MAGLEV_SLOTS)),
      skip: Number(sip13(STRIDE_KEY, key) % BigInt(MAGLEV_SLOTS - 1)) + 1,
    }
  })
  for (let free = MAGLEV_SLOTS; free > 0; ) {
    for (const walk of walks) {
      for (let turn = 0; turn < walk.turns && free > 0; turn++, free--) {
        while (table[walk.at] !== null) walk.at = (walk.at + walk.skip) % MAGLEV_SLOTS
        table[walk.at] = walk.server
      }
    }
  }
  return table as Server[]
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b)

/** SipHash-1-3 of the four octets of a word, its low 32 bits. J.-P. Aumasson, D. J. Bernstein, *SipHash*, 2012. */
function sip13(key: bigint, value: bigint): bigint {
  const message = (4n << 56n) | (value & WORD_MASK)
  const state: State = [
    0x736f_6d65_7073_6575n ^ key,
    0x646f_7261_6e64_6f6dn ^ key,
    0x6c79_6765_6e65_7261n ^ key,
    0x7465_6462_7974_6573n ^ key ^ message,
  ]
  sipRound(state)
  state[0] ^= message
  state[2] ^= 0xffn
  for (let round = 0; round < 3; round++) sipRound(state)
  return (state[0] ^ state[1] ^ state[2] ^ state[3]) & WORD_MASK
}

type State = [bigint, bigint, bigint, bigint]

const rotate = (value: bigint, bits: bigint): bigint =>
  ((value << bits) | (value >> (64n - bits))) & LONG_MASK

function sipRound(v: State): void {
  v[0] = (v[0] + v[1]) & LONG_MASK
  v[1] = rotate(v[1], 13n) ^ v[0]
  v[0] = rotate(v[0], 32n)
  v[2] = (v[2] + v[3]) & LONG_MASK
  v[3] = rotate(v[3], 16n) ^ v[2]
  v[0] = (v[0] + v[3]) & LONG_MASK
  v[3] = rotate(v[3], 21n) ^ v[0]
  v[2] = (v[2] + v[1]) & LONG_MASK
  v[1] = rotate(v[1], 17n) ^ v[2]
  v[2] = rotate(v[2], 32n)
}
