/** The schedulers that remember what they decided for a virtual address, each by its definition. */

import { loadOf, type Rule, type Server } from './model.ts'
import { leastByWeight } from './rules.ts'

const EXPIRATION_MS = 86_400_000
/** Entries are looked through once in so many minutes, as long as there are not too many. */
const MINUTES_PER_CHECK = 30

/** Busier than its weight, while another has less than half of what it could take. */
const isCrowded = (server: Server, pool: readonly Server[]): boolean =>
  server.active > server.weight && pool.some(({ active, weight }) => active * 2 < weight)

interface Entry {
  lastUseMs: number
}

/** What is remembered by virtual address, and forgotten when it was not used for a day. */
class Memory<Kept extends Entry> {
  readonly entries = new Map<string, Kept>()
  #minutes = 0

  minuteOver(nowMs: number): void {
    this.#minutes++
    if (this.#minutes % MINUTES_PER_CHECK !== 0) return
    for (const [address, { lastUseMs }] of this.entries)
      if (nowMs >= lastUseMs + EXPIRATION_MS) this.entries.delete(address)
  }
}

export function lblc(): Rule {
  const memory = new Memory<Entry & { server: Server }>()
  return {
    pick(pool, { virtual }, { nowMs }) {
      const entry = memory.entries.get(`${virtual}`)
      if (entry !== undefined) {
        entry.lastUseMs = nowMs
        const { server } = entry
        if (server.isThere && server.weight > 0 && !isCrowded(server, pool)) return server
      }
      const server = leastByWeight(pool, loadOf)
      if (server !== null && server !== entry?.server)
        memory.entries.set(`${virtual}`, { server, lastUseMs: nowMs })
      return server
    },
    minuteOver: (nowMs) => memory.minuteOver(nowMs),
  }
}

export function lblcr(): Rule {
  /** The set, the newest member first. */
  const memory = new Memory<Entry & { set: Server[]; lastChangeMs: number }>()
  return {
    pick(pool, { virtual }, { nowMs }) {
      const entry = memory.entries.get(`${virtual}`)
      if (entry !== undefined) {
        entry.lastUseMs = nowMs
        const there = entry.set.filter(({ isThere }) => isThere)
        const chosen = leastByWeight(there, loadOf)
        if (entry.set.length > 1 && nowMs > entry.lastChangeMs + EXPIRATION_MS) {
          const busiest = mostByWeight(entry.set)
          entry.set = entry.set.filter((each) => each !== busiest)
          entry.lastChangeMs = nowMs
        }
        if (chosen !== null && !isCrowded(chosen, pool)) return chosen
      }
      const server = leastByWeight(pool, loadOf)
      if (server === null) return null
      if (entry === undefined) {
        memory.entries.set(`${virtual}`, { set: [server], lastChangeMs: nowMs, lastUseMs: nowMs })
      } else if (!entry.set.includes(server)) {
        entry.set = [server, ...entry.set]
        entry.lastChangeMs = nowMs
      }
      return server
    },
    minuteOver: (nowMs) => memory.minuteOver(nowMs),
  }
}

/** The one that carries most by its weight, whatever its state; of equals the first. */
function mostByWeight(servers: readonly Server[]): Server | null {
  const [first, ...others] = servers.filter(({ weight }) => weight > 0)
  if (first === undefined) return null
  return others.reduce(
    (most, each) =>
      BigInt(loadOf(most)) * BigInt(each.weight) < BigInt(loadOf(each)) * BigInt(most.weight) ? each : most,
    first,
  )
}
