/**
 * Looking ahead: a table of a million connections does not fit the processor's caches, and a packet would wait for
 * memory several times over (measured: 350 ns of 530). Told of a whole batch before the first of it is processed, the
 * table touches the memory of all, and the waits overlap.
 */

import { readI32, readU8, readU16 } from '../bytes/octets.ts'
import { hasPorts } from '../wire/protocol.ts'
import { type ConnectionIndex, isTagged, recordOf } from './connection-index.ts'
import type { ConnectionTable } from './connection-table.ts'
import { KIND, NONE, RECORD_WORDS, WORD } from './layout.ts'

const BATCH_MAX = 256

export class Lookahead {
  readonly #table: ConnectionTable
  readonly #index: ConnectionIndex
  readonly #words: Int32Array
  /** Of each packet noted, the hash it will be looked up by. */
  readonly #hashes = new Int32Array(BATCH_MAX)
  /** Of each packet noted, where its chain was followed to. */
  readonly #links = new Int32Array(BATCH_MAX)
  #count = 0

  constructor(table: ConnectionTable) {
    this.#table = table
    this.#index = table.index
    this.#words = table.words
  }

  /** Notes where the packet's connection will be looked for. Whatever it cannot guess cheaply it leaves out. */
  note(bytes: Uint8Array, start: number, isInbound: boolean): void {
    if (this.#count === BATCH_MAX) return
    const version = readU8(bytes, start) >>> 4
    if (version === 4) {
      const protocol = readU8(bytes, start + 9)
      const transport = start + (readU8(bytes, start) & 0x0f) * 4
      const client = readI32(bytes, start + (isInbound ? 12 : 16))
      const port = readU16(bytes, transport + (isInbound ? 0 : 2))
      this.#hashes[this.#count++] = this.#index.hashOf(protocol << 8, client, 0, 0, 0, port)
    } else if (version === 6) {
      const protocol = readU8(bytes, start + 6)
      if (!hasPorts(protocol)) return
      const at = start + (isInbound ? 8 : 24)
      const port = readU16(bytes, start + 40 + (isInbound ? 0 : 2))
      this.#hashes[this.#count++] = this.#index.hashOf(
        (protocol << 8) | KIND.ipv6,
        readI32(bytes, at),
        readI32(bytes, at + 4),
        readI32(bytes, at + 8),
        readI32(bytes, at + 12),
        port,
      )
    }
  }

  /**
   * Touches the memory of what was noted, and forgets it. Each loop is as tight as can be: the processor runs ahead of
   * its own loads only so many instructions. The sum only keeps the loads from being optimised away.
   */
  touch(): number {
    const words = this.#words
    const hashes = this.#hashes
    const links = this.#links
    const { heads, next } = this.#index
    const mask = heads.length - 1
    const count = this.#count
    this.#count = 0
    for (let at = 0; at < count; at++) links[at] = heads[hashes[at]! & mask]!
    let strangers = 0
    for (let at = 0; at < count; at++) {
      let link = links[at]!
      while (link !== NONE && !isTagged(link, hashes[at]!)) link = next[recordOf(link)]!
      links[at] = link
      if (link === NONE) strangers++
    }
    let sum = 0
    for (let at = 0; at < count; at++) {
      const base = recordOf(links[at]!) * RECORD_WORDS
      sum = (sum + words[base]! + words[base + WORD.flags]!) | 0
    }
    return (sum + this.#table.touchFree(strangers)) | 0
  }
}
