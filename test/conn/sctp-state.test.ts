import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  decidingSctpChunk,
  firstSctpChunk,
  nextSctpState,
  SCTP_ACTIVE_STATES,
  SCTP_STATE_NAMES,
  SCTP_STATES,
  SCTP_TIMEOUTS_SEC,
  type SctpState,
} from '../../lib/conn/sctp-state.ts'
import { DIRECTION, UNCHANGED } from '../../lib/conn/state-table.ts'
import { NO_SCTP_CHUNK, SCTP_CHUNK } from '../../lib/wire/sctp.ts'
import { withOctet } from '../support/buffers.ts'
import { ip4, readPacket, type SctpChunkSpec, sctp4 } from '../support/packets.ts'

/** The kernel's tables, machine-readable; recorded random walks agreed with them. */
const golden = JSON.parse(readFileSync(new URL('../vectors/sctp-states.json', import.meta.url), 'utf8'))
const DIRECTIONS = { input: 'input', output: 'output', input_only: 'inputOnly' } as const
const ends = { source: '10.9.0.1:5000', destination: '10.0.0.1:5001' }
const packetOf = (...chunks: SctpChunkSpec[]) => readPacket(sctp4({ ...ends, chunks }))

describe('nextSctpState', () => {
  it('knows every cell of the kernel’s tables, for every type of chunk there can be', () => {
    let cells = 0
    for (const [theirs, direction] of Object.entries(DIRECTIONS)) {
      for (let type = 0; type <= 0xff; type++) {
        const event = golden.chunk_type_to_event[type] ?? golden.chunk_type_other
        const row: Record<SctpState, SctpState> = golden.tables[theirs][event]
        for (const [from, to] of Object.entries(row)) {
          const next = nextSctpState(SCTP_STATES.indexOf(from as SctpState), DIRECTION[direction], type)
          expect(SCTP_STATES[next], `${direction} chunk ${type} in ${from}`).toBe(to)
          cells++
        }
      }
    }
    expect(cells).toBe(3 * 256 * 14)
  })

  it('has all ten events of the kernel’s', () => {
    expect(Object.keys(golden.tables.input)).toHaveLength(10)
    expect(new Set(Object.values(golden.chunk_type_to_event)).size).toBe(10)
  })

  it('leaves the state alone where there is no chunk', () => {
    for (const direction of Object.values(DIRECTION))
      expect(nextSctpState(SCTP_STATES.indexOf('INIT'), direction, NO_SCTP_CHUNK)).toBe(UNCHANGED)
  })

  it('has the kernel’s names, timeouts and active states', () => {
    expect(SCTP_STATES).toEqual(golden.states)
    expect(SCTP_STATE_NAMES).toEqual(golden.display_names)
    expect(SCTP_TIMEOUTS_SEC).toEqual(golden.timeouts_seconds)
    expect(SCTP_ACTIVE_STATES).toEqual(golden.active_states)
  })
})

describe('the chunk that decides', () => {
  it('is the first, whatever follows', () => {
    expect(decidingSctpChunk(packetOf(['init', 'value'], ['abort']))).toBe(SCTP_CHUNK.init)
    expect(decidingSctpChunk(packetOf(['data', 'value'], ['abort']))).toBe(SCTP_CHUNK.data)
    expect(decidingSctpChunk(packetOf([250]))).toBe(250)
  })

  it.each(['cookieEcho', 'cookieAck'] as const)('is an ABORT bundled right behind a %s', (cookie) => {
    expect(decidingSctpChunk(packetOf([cookie, 'crumb'], ['abort']))).toBe(SCTP_CHUNK.abort)
    expect(decidingSctpChunk(packetOf([cookie], ['abort']))).toBe(SCTP_CHUNK.abort)
    expect(decidingSctpChunk(packetOf([cookie, 'crumb'], ['data', 'x']))).toBe(SCTP_CHUNK[cookie])
    expect(decidingSctpChunk(packetOf([cookie, 'crumb'], ['data', 'x'], ['abort']))).toBe(SCTP_CHUNK[cookie])
    expect(decidingSctpChunk(packetOf([cookie, 'crumb']))).toBe(SCTP_CHUNK[cookie])
  })

  it('is the cookie’s own where its length is too short to find what follows', () => {
    const bytes = sctp4({ ...ends, chunks: [['cookieAck'], ['abort']] })
    for (const length of [0, 3]) {
      expect(decidingSctpChunk(readPacket(withOctet(bytes, 20 + 15, length)))).toBe(SCTP_CHUNK.cookieAck)
    }
  })

  it('is the cookie’s own where the ABORT’s header is cut off', () => {
    const whole = sctp4({ ...ends, chunks: [['cookieAck'], ['abort']] }).slice(20)
    const cut = ip4({
      source: '10.9.0.1',
      destination: '10.0.0.1',
      protocol: 132,
      payload: whole.slice(0, -1),
    })
    expect(decidingSctpChunk(readPacket(cut))).toBe(SCTP_CHUNK.cookieAck)
  })

  it('is none where the packet ends before it', () => {
    expect(firstSctpChunk(packetOf())).toBe(NO_SCTP_CHUNK)
    expect(decidingSctpChunk(packetOf())).toBe(NO_SCTP_CHUNK)
  })
})
