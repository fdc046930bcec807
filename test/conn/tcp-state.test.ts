import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DIRECTION } from '../../lib/conn/state-table.ts'
import {
  nextTcpState,
  TCP_ACTIVE_STATES,
  TCP_STATES,
  TCP_TABLES,
  TCP_TIMEOUTS_SEC,
  type TcpState,
} from '../../lib/conn/tcp-state.ts'

/** The kernel's tables, machine-readable; recorded random walks agreed with them. */
const golden = JSON.parse(readFileSync(new URL('../vectors/tcp-states.json', import.meta.url), 'utf8'))
const FLAGS: Record<string, number> = { syn: 0x02, fin: 0x01, ack: 0x10, rst: 0x04 }
const DIRECTIONS = { input: 'input', output: 'output', input_only: 'inputOnly' } as const

describe('nextTcpState', () => {
  it.each(['normal', 'secure'] as const)('knows every cell of the kernel’s %s table', (table) => {
    let cells = 0
    for (const [theirs, direction] of Object.entries(DIRECTIONS)) {
      const rows: Record<string, Record<TcpState, TcpState>> = golden.tables[table][theirs]
      for (const [event, row] of Object.entries(rows)) {
        for (const [from, to] of Object.entries(row)) {
          const state = TCP_STATES.indexOf(from as TcpState)
          const next = nextTcpState(state, DIRECTION[direction], FLAGS[event]!, TCP_TABLES[table])
          expect(TCP_STATES[next], `${direction} ${event} in ${from}`).toBe(to)
          cells++
        }
      }
    }
    expect(cells).toBe(3 * 4 * 11)
  })

  it('reads the normal table unless it is told otherwise', () => {
    const after = (...table: [Uint8Array?]) =>
      TCP_STATES[nextTcpState(TCP_STATES.indexOf('SYN_RECV'), DIRECTION.input, FLAGS['ack']!, ...table)]
    expect(after()).toBe('ESTABLISHED')
    expect(after(TCP_TABLES.secure)).toBe('SYN_RECV')
  })

  it('lets rst decide before syn, syn before fin, fin before ack', () => {
    const from = TCP_STATES.indexOf('ESTABLISHED')
    const after = (flags: number) => TCP_STATES[nextTcpState(from, DIRECTION.input, flags)]
    expect(after(0x02 | 0x04 | 0x01 | 0x10)).toBe('CLOSE')
    expect(after(0x02 | 0x01 | 0x10)).toBe('ESTABLISHED')
    expect(after(0x01 | 0x10)).toBe('CLOSE_WAIT')
  })

  it('closes on a packet without any of the four flags, whatever the state', () => {
    for (const direction of Object.values(DIRECTION))
      for (let state = 0; state < TCP_STATES.length; state++)
        expect(nextTcpState(state, direction, 0x28)).toBe(TCP_STATES.indexOf('CLOSE'))
  })

  it('has the kernel’s names, timeouts and active states', () => {
    expect(TCP_STATES).toEqual(golden.states)
    expect(TCP_TIMEOUTS_SEC).toEqual(golden.timeouts_seconds)
    expect(TCP_ACTIVE_STATES).toEqual(golden.active_states)
  })
})
