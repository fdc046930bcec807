import { describe, expect, it } from 'vitest'
import {
  MAX_TIMEOUT_SEC,
  protocols,
  protocolTable,
  readTimeouts,
  writeTimeouts,
} from '../../lib/conn/protocol.ts'
import { SCTP_STATES } from '../../lib/conn/sctp-state.ts'
import { DIRECTION, UNCHANGED } from '../../lib/conn/state-table.ts'
import { TCP_STATES } from '../../lib/conn/tcp-state.ts'
import { MALFORMED } from '../../lib/wire/malformed.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { readPacket, type SctpChunkSpec, sctp4, tcp4, udp4 } from '../support/packets.ts'

const ends = { source: '10.9.0.1:3000', destination: '10.0.0.1:80' }
const segment = (flags: string) => readPacket(tcp4({ ...ends, flags }))
const datagram = readPacket(udp4(ends))
const chunks = (...types: SctpChunkSpec[0][]) =>
  readPacket(sctp4({ ...ends, chunks: types.map((type) => [type] as const) }))

const STRICT = { sloppyTcp: () => false, sloppySctp: () => false, secureTcp: () => false }

describe('the followed protocols', () => {
  it('stand under their numbers; every other number is left to the kernel', () => {
    const all = protocols()
    const table = protocolTable(all)
    expect(table).toHaveLength(256)
    const numbers = Object.entries(all).map(([name, protocol]) => {
      const number = PROTOCOL[name as keyof typeof all]
      expect(table[number], name).toBe(protocol)
      return number
    })
    expect(table.filter((protocol) => protocol !== undefined)).toHaveLength(numbers.length)
  })

  it('have a timeout and an activity for every state', () => {
    for (const protocol of Object.values(protocols())) {
      expect(protocol.timeoutTicks).toHaveLength(protocol.states.length)
      expect(protocol.isActive).toHaveLength(protocol.states.length)
      for (const ticks of protocol.timeoutTicks) expect(ticks).toBeGreaterThan(0)
    }
  })

  it.each([
    ['S', true],
    ['SA', true],
    ['SPE', true],
    ['A', false],
    ['FA', false],
    ['R', false],
    ['SR', false],
    ['', false],
  ])('a TCP segment with the flags "%s" starts a connection: %s', (flags, starts) => {
    expect(protocols().tcp.starts(segment(flags))).toBe(starts)
  })

  it('any UDP datagram starts a connection, and keeps it in the one state there is, inactive', () => {
    const { udp } = protocols()
    expect(udp.starts(datagram)).toBe(true)
    expect(udp.next(0, DIRECTION.input, datagram)).toBe(0)
    expect(udp.isActive).toEqual([false])
  })

  it('TCP moves on by the table of the packet’s direction', () => {
    const { tcp } = protocols()
    const established = TCP_STATES.indexOf('ESTABLISHED')
    const fin = segment('FA')
    expect(TCP_STATES[tcp.next(established, DIRECTION.input, fin)]).toBe('CLOSE_WAIT')
    expect(TCP_STATES[tcp.next(established, DIRECTION.output, fin)]).toBe('FIN_WAIT')
    expect(TCP_STATES[tcp.next(established, DIRECTION.inputOnly, fin)]).toBe('FIN_WAIT')
  })
})

describe('SCTP', () => {
  it.each([
    [['init'], true],
    [['init', 'abort'], true],
    [['data'], false],
    [['cookieEcho'], false],
    [['initAck'], false],
    [['abort'], false],
    [[63], false],
  ] as const)('packet with the chunks %j starts a connection: %s', (types, starts) => {
    expect(protocols().sctp.starts(chunks(...types))).toBe(starts)
  })

  it('packet too short for a chunk is a flaw where it would start something, and changes no state', () => {
    for (const sloppy of [false, true]) {
      const { sctp } = protocols({ ...STRICT, sloppySctp: () => sloppy })
      expect(sctp.starts(chunks())).toBe(MALFORMED['sctp-chunk-truncated'])
      expect(sctp.next(0, DIRECTION.input, chunks())).toBe(UNCHANGED)
    }
  })

  it('moves on by the table of the packet’s direction, and by a bundled ABORT', () => {
    const { sctp } = protocols()
    const after = (
      state: (typeof SCTP_STATES)[number],
      direction: keyof typeof DIRECTION,
      ...types: SctpChunkSpec[0][]
    ) => SCTP_STATES[sctp.next(SCTP_STATES.indexOf(state), DIRECTION[direction], chunks(...types))]
    expect(after('NONE', 'input', 'cookieEcho')).toBe('COOKIE_REPLIED')
    expect(after('NONE', 'output', 'cookieEcho')).toBe('COOKIE_ECHOED')
    expect(after('NONE', 'inputOnly', 'cookieEcho')).toBe('ESTABLISHED')
    expect(after('ESTABLISHED', 'input', 'cookieEcho', 'abort')).toBe('CLOSED')
  })

  it('is over once closed, opened anew by INIT, and assured once established', () => {
    const { sctp } = protocols()
    const { isClosing, assures } = sctp
    const where = (holds: (state: number) => boolean) => SCTP_STATES.filter((_, state) => holds(state))
    expect(where((state) => isClosing(state, false))).toEqual(['CLOSED'])
    expect(where((state) => isClosing(state, true))).toEqual(['CLOSED'])
    expect(where((state) => assures(state, DIRECTION.input))).toEqual(['ESTABLISHED'])
    expect(where((state) => sctp.underAttack?.(state) === 'drop')).toEqual(['INIT1', 'INIT'])
    expect(where((state) => sctp.underAttack?.(state) === 'maybe')).toEqual(['ESTABLISHED'])
    expect(sctp.opens(chunks('init'))).toBe(true)
    expect(sctp.opens(chunks('data'))).toBe(false)
    expect(sctp.opens(chunks())).toBe(false)
  })

  it('prints its states as IPVS does', () => {
    expect(protocols().sctp.states.slice(2, 10)).toEqual([
      'INIT',
      'C-SENT',
      'C-REPLIED',
      'C-WAIT',
      'COOKIE',
      'C-ECHOED',
      'ESTABLISHED',
      'S-SENT',
    ])
  })
})

describe('AH and ESP', () => {
  it('start nothing, change nothing, and end nothing', () => {
    const { ah, esp } = protocols()
    for (const each of [ah, esp]) {
      expect(each.hasPorts).toBe(false)
      expect(each.starts(datagram)).toBe(false)
      expect(each.opens(datagram)).toBe(false)
      expect(each.isClosing(0, true)).toBe(false)
      for (const direction of Object.values(DIRECTION)) {
        expect(each.next(0, direction, datagram)).toBe(UNCHANGED)
        expect(each.assures(0, direction)).toBe(false)
      }
    }
  })
})

describe('the knobs', () => {
  it('sloppyTcp lets any segment but a reset start a connection, from the next packet on', () => {
    let isSloppy = false
    const { tcp } = protocols({ ...STRICT, sloppyTcp: () => isSloppy })
    expect(tcp.starts(segment('A'))).toBe(false)
    isSloppy = true
    for (const flags of ['A', 'FA', '', 'S', 'SA']) expect(tcp.starts(segment(flags)), flags).toBe(true)
    for (const flags of ['R', 'RA', 'SR']) expect(tcp.starts(segment(flags)), flags).toBe(false)
    isSloppy = false
    expect(tcp.starts(segment('A'))).toBe(false)
  })

  it('sloppySctp lets any packet but an abort start a connection', () => {
    const { sctp } = protocols({ ...STRICT, sloppySctp: () => true })
    for (const type of ['init', 'data', 'cookieEcho', 63] as const)
      expect(sctp.starts(chunks(type))).toBe(true)
    expect(sctp.starts(chunks('abort'))).toBe(false)
  })

  it('secureTcp moves TCP on by the secure table, from the next packet on', () => {
    let isSecure = false
    const { tcp } = protocols({ ...STRICT, secureTcp: () => isSecure })
    const received = TCP_STATES.indexOf('SYN_RECV')
    expect(TCP_STATES[tcp.next(received, DIRECTION.input, segment('A'))]).toBe('ESTABLISHED')
    isSecure = true
    expect(TCP_STATES[tcp.next(received, DIRECTION.input, segment('A'))]).toBe('SYN_RECV')
  })
})

describe('the three settable timeouts', () => {
  it('are IPVS’s at first', () => {
    expect(readTimeouts(protocols())).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
  })

  it('change ESTABLISHED, FIN_WAIT and UDP, and no other state', () => {
    const all = protocols()
    const before = Int32Array.from(all.tcp.timeoutTicks)
    writeTimeouts(all, { tcp: 10, tcpFin: 20, udp: 30 })
    expect(readTimeouts(all)).toEqual({ tcp: 10, tcpFin: 20, udp: 30 })
    const changed = TCP_STATES.filter((_, state) => all.tcp.timeoutTicks[state] !== before[state])
    expect(changed).toEqual(['ESTABLISHED', 'FIN_WAIT'])
  })

  it('leave a value as it is where 0 is written', () => {
    const all = protocols()
    writeTimeouts(all, { tcp: 0, tcpFin: 7, udp: 0 })
    expect(readTimeouts(all)).toEqual({ tcp: 900, tcpFin: 7, udp: 300 })
  })

  it('hold the highest value that is allowed', () => {
    const all = protocols()
    writeTimeouts(all, { tcp: MAX_TIMEOUT_SEC, tcpFin: 0, udp: MAX_TIMEOUT_SEC })
    expect(readTimeouts(all)).toEqual({ tcp: MAX_TIMEOUT_SEC, tcpFin: 120, udp: MAX_TIMEOUT_SEC })
  })

  it('belong to one director: another’s are untouched', () => {
    const [one, other] = [protocols(), protocols()]
    writeTimeouts(one, { tcp: 1, tcpFin: 1, udp: 1 })
    expect(readTimeouts(other)).toEqual({ tcp: 900, tcpFin: 120, udp: 300 })
  })
})
