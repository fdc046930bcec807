/**
 * The state file: a configuration with its connections, so that both survive a restart.
 *
 * ```text
 * "uipvs state\n" | format u32 | connections' layout u32
 * | length u32, header as JSON
 * | for each piece: lengths u32 of names and words in octets, names as JSON, words; a last length of 0xffffffff
 * | SHA-256 of everything before it
 * ```
 *
 * Numbers are little-endian. A file is written beside its place and then renamed, so that there never is half a file.
 */

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import * as z from 'zod'
import { ConfiguredService } from '../../control/configuration.ts'
import { firstFlaw } from '../../control/issues.ts'
import { Counters, DestinationConfig, KnobChanges, Timeouts } from '../../control/schema.ts'
import { LAYOUT_VERSION } from '../../lib/conn/layout.ts'
import type { SavedPiece } from '../dataplane/messages.ts'

const MAGIC = Buffer.from('uipvs state\n')
const FORMAT_VERSION = 1
const HEAD_BYTES = MAGIC.length + 8
const CHECKSUM_BYTES = 32
const END = 0xffff_ffff

/** Everything but the connections. */
export const StateHeader = z.strictObject({
  /** The uipvs that wrote it. */
  version: z.string(),
  /** When, on a clock that only this boot of this machine has. */
  bootId: z.string(),
  monotonicMs: z.number(),
  services: z.array(ConfiguredService),
  timeouts: Timeouts,
  knobs: KnobChanges,
  /** Real servers that were removed, or were reached by another method, and have connections still. */
  lingering: z.array(z.strictObject({ service: z.string(), destination: DestinationConfig })),
  counters: z.strictObject({
    totals: Counters,
    services: z.array(
      z.strictObject({
        id: z.string(),
        counters: Counters,
        destinations: z.array(z.strictObject({ endpoint: z.string(), counters: Counters })),
      }),
    ),
  }),
})
export type StateHeader = z.infer<typeof StateHeader>

/** Connections, as the data path gave them. */
export type Piece = Omit<SavedPiece, 'next'>

export interface State {
  readonly header: StateHeader
  /** Null where they were saved in another layout than this uipvs has: then only the configuration can be restored. */
  readonly pieces: readonly Piece[] | null
}

/** A state file that cannot be used; the message names it, and says why. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError'
}

/** Writes a state, piece by piece as they come, and puts it in place once it is whole and on the disk. */
export async function writeState(
  path: string,
  header: StateHeader,
  pieces: AsyncIterable<Piece>,
): Promise<void> {
  const draft = `${path}.new`
  const hash = createHash('sha256')
  const file = await open(draft, 'w', 0o600)
  const write = async (...parts: readonly Uint8Array[]) => {
    for (const part of parts) {
      hash.update(part)
      await file.writeFile(part)
    }
  }
  try {
    const json = Buffer.from(JSON.stringify(header))
    await write(MAGIC, words32(FORMAT_VERSION, LAYOUT_VERSION, json.length), json)
    for await (const { words, destinations } of pieces) {
      const names = Buffer.from(JSON.stringify(destinations))
      await write(words32(names.length, words.byteLength), names, octetsOf(words))
    }
    await write(words32(END))
    await file.writeFile(hash.digest())
    await file.sync()
  } catch (error) {
    await file.close()
    await rm(draft, { force: true })
    throw error
  }
  await file.close()
  await rename(draft, path)
  await syncDirectory(dirname(path))
}

/**
 * The state in the file, or null when there is none.
 * @throws {StateFileError} for one that is damaged, of another kind, or of a newer uipvs
 */
export function readState(path: string): State | null {
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw flaw(path, `cannot be read: ${(error as Error).message}`, error)
  }
  const isOurs = bytes.length >= HEAD_BYTES && bytes.subarray(0, MAGIC.length).equals(MAGIC)
  if (!isOurs) throw flaw(path, 'is no state file of uipvs')
  const format = bytes.readUInt32LE(MAGIC.length)
  if (format !== FORMAT_VERSION)
    throw flaw(
      path,
      `has format ${format}, of another version of uipvs: this one reads format ${FORMAT_VERSION}`,
    )
  const end = bytes.length - CHECKSUM_BYTES
  const content = bytes.subarray(0, Math.max(end, 0))
  const checksum = createHash('sha256').update(content).digest()
  if (!checksum.equals(bytes.subarray(content.length))) throw flaw(path, 'is damaged: its checksum is wrong')
  const layout = bytes.readUInt32LE(MAGIC.length + 4)
  const { json, pieces } = parted(content)
  const header = StateHeader.safeParse(JSON.parse(json.toString('utf8')))
  if (!header.success)
    throw flaw(path, `holds what cannot be: ${firstFlaw(header.error).message}`, header.error)
  return { header: header.data, pieces: layout === LAYOUT_VERSION ? pieces() : null }
}

/** Takes a file apart whose checksum is right, so that every length in it can be believed. */
function parted(content: Buffer): { json: Buffer; pieces: () => Piece[] } {
  let at = HEAD_BYTES
  const number = () => {
    at += 4
    return content.readUInt32LE(at - 4)
  }
  const octets = (length: number) => {
    at += length
    return content.subarray(at - length, at)
  }
  const json = octets(number())
  const pieces = () => {
    const all: Piece[] = []
    for (let length = number(); length !== END; length = number()) {
      const wordsBytes = number()
      const destinations = JSON.parse(octets(length).toString('utf8')) as Piece['destinations']
      const words = new Int32Array(wordsBytes / 4)
      octetsOf(words).set(octets(wordsBytes))
      all.push({ words, destinations })
    }
    return all
  }
  return { json, pieces }
}

const octetsOf = (words: Int32Array): Uint8Array =>
  new Uint8Array(words.buffer, words.byteOffset, words.byteLength)

function words32(...numbers: readonly number[]): Buffer {
  const out = Buffer.alloc(numbers.length * 4)
  for (const [index, each] of numbers.entries()) out.writeUInt32LE(each, index * 4)
  return out
}

/** The rename itself is only on the disk once the directory is. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const flaw = (path: string, what: string, cause?: unknown): StateFileError =>
  new StateFileError(`the state file ${path} ${what}`, { cause })
