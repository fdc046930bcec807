import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { KnobChanges, Timeouts } from '../../../control/schema.ts'
import { type Piece, readState, type StateHeader, writeState } from '../../../forwarder/life/state-file.ts'

const COUNTERS = { connections: 1, inPackets: 2, outPackets: 3, inBytes: 2 ** 40, outBytes: 5 }
const DESTINATION = {
  address: '192.168.1.1',
  port: 80,
  method: 'masquerading',
  weight: 0,
  upperThreshold: 0,
  lowerThreshold: 0,
  tunnel: { type: 'ipip', port: 0, checksum: 'none' },
} as const
const HEADER: StateHeader = {
  version: '1.2.3',
  bootId: 'a-boot',
  monotonicMs: 123_456,
  services: [
    {
      protocol: 'tcp',
      address: '10.0.0.1',
      port: 80,
      scheduler: 'wlc',
      schedulerFlags: ['flag-1'],
      persistentSeconds: 300,
      netmask: '255.255.255.0',
      engine: null,
      onePacket: false,
      destinations: [DESTINATION],
    },
  ],
  timeouts: Timeouts.parse({ tcp: 900, tcpFin: 120, udp: 300 }),
  knobs: KnobChanges.parse({ drop_entry: 1, sync_threshold: '3 50' }),
  lingering: [{ service: 'fwmark:5', destination: DESTINATION }],
  counters: {
    totals: COUNTERS,
    services: [
      {
        id: 'tcp:10.0.0.1:80',
        counters: COUNTERS,
        destinations: [{ endpoint: '192.168.1.1:80', counters: COUNTERS }],
      },
    ],
  },
}
const PIECES: Piece[] = [
  {
    words: Int32Array.of(1, -1, 0x7fff_ffff, -0x8000_0000),
    destinations: [{ id: 1, service: 'tcp:10.0.0.1:80', endpoint: '192.168.1.1:80' }],
  },
  { words: Int32Array.of(7), destinations: [{ id: 0, service: null, endpoint: null }] },
]

let directory: string
let path: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uipvs-state-'))
  path = join(directory, 'control.state')
})
afterEach(() => rmSync(directory, { recursive: true }))

const write = (header = HEADER, pieces: readonly Piece[] = PIECES) =>
  writeState(
    path,
    header,
    (async function* () {
      yield* pieces
    })(),
  )

describe('a state file', () => {
  it('gives back what was put in', async () => {
    await write()
    expect(readState(path)).toEqual({ header: HEADER, pieces: PIECES })
  })

  it('may have no connections', async () => {
    await write(HEADER, [])
    expect(readState(path)?.pieces).toEqual([])
  })

  it('is its owner’s alone, and lies there by itself', async () => {
    await write()
    await write()
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toEqual(['control.state'])
  })

  it('stays as it was when the next one cannot be finished', async () => {
    await write()
    const before = readFileSync(path)
    const broken = writeState(
      path,
      HEADER,
      (async function* () {
        yield* PIECES
        throw new Error('the data path has ended')
      })(),
    )
    await expect(broken).rejects.toThrow('the data path has ended')
    expect(readFileSync(path)).toEqual(before)
    expect(readdirSync(directory)).toEqual(['control.state'])
  })

  it('is none where there is none', () => {
    expect(readState(path)).toBeNull()
  })

  it('with connections in another layout still has the configuration', async () => {
    await write()
    // The layout's number is behind the magic and the format.
    rewritten((bytes) => bytes.writeUInt32LE(77, 16))
    expect(readState(path)).toEqual({ header: HEADER, pieces: null })
  })

  it('is refused with any bit turned, and cut off anywhere', async () => {
    await write()
    const sound = readFileSync(path)
    for (let at = 0; at < sound.length; at += at < 32 ? 1 : 29) {
      const spoilt = Buffer.from(sound)
      spoilt[at]! ^= 1 << (at & 7)
      writeFileSync(path, spoilt)
      expect(() => readState(path), `octet ${at}`).toThrow(`the state file ${path} `)
      writeFileSync(path, sound.subarray(0, at))
      expect(() => readState(path), `${at} octets`).toThrow(`the state file ${path} `)
    }
  })

  it.each([
    [
      'that is something else',
      () => Buffer.from('{"services": [], "knobs": {}}'),
      'is no state file of uipvs',
    ],
    [
      'of another format',
      (bytes: Buffer) => withByte(bytes, 12, 2),
      'has format 2, of another version of uipvs: this one reads format 1',
    ],
    [
      'that is longer than it was',
      (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')]),
      'is damaged: its checksum is wrong',
    ],
  ])('%s is refused by what is wrong with it', async (_title, spoil, message) => {
    await write()
    writeFileSync(path, spoil(readFileSync(path)))
    expect(() => readState(path)).toThrow(`the state file ${path} ${message}`)
  })

  it('that is a directory is refused too', () => {
    expect(() => readState(directory)).toThrow(`the state file ${directory} cannot be read: EISDIR`)
  })

  it('with a configuration that cannot be is refused by the value', async () => {
    await write({ ...HEADER, timeouts: { tcp: -1, tcpFin: 0, udp: 0 } })
    expect(() => readState(path)).toThrow(/holds what cannot be: timeouts\.tcp: /)
  })

  /** Changes the file and makes its checksum right again, as a uipvs of another layout would have. */
  function rewritten(change: (bytes: Buffer) => void): void {
    const bytes = readFileSync(path).subarray(0, -32)
    change(bytes)
    writeFileSync(path, Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]))
  }
})

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = value
  return copy
}
