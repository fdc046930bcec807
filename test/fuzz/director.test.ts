import { describe, expect, it } from 'vitest'
import type { Scenario, Step } from '../../fuzz/director/scenario.ts'
import { checkScenario } from '../../fuzz/director/target.ts'
import { WORLD } from '../../fuzz/director/world.ts'
import { repaired } from '../../fuzz/mutation.ts'
import { Director } from '../../lib/director/director.ts'
import type { Arrival, Verdict } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { tcp4, toHex } from '../support/packets.ts'

const sent = (options: { source?: string; flags?: string; destination?: string; ttl?: number }): Step => ({
  kind: 'packet',
  hex: toHex(
    tcp4({ source: '10.9.0.1:3000', destination: '10.0.0.1:80', flags: 'S', payload: 'hello', ...options }),
  ),
  hook: 'inbound',
  mark: 0,
  offload: OFFLOAD.finished,
  headroomBytes: 20,
})

/** Masqueraded, sent directly, tunnelled, left to the kernel, answered, and ended in time. */
const SCENARIO: Scenario = {
  services: WORLD.filter(({ key }) => ['tcp:10.0.0.1:80', 'tcp:10.0.0.1:101'].includes(key)),
  knobs: {},
  connectionLimit: 12,
  kernelForwards: { masquerading: false, gatewaying: false },
  randomSeed: 1,
  steps: [
    sent({}),
    sent({ source: '10.9.0.1:3001' }),
    sent({ destination: '10.0.0.1:101' }),
    sent({ destination: '10.0.0.1:102' }),
    sent({ flags: 'A', ttl: 1 }),
    { kind: 'pass', ms: 1000 },
    { kind: 'remove-server', service: 'tcp:10.0.0.1:80', server: '192.168.1.1:8080' },
    { kind: 'add-server', service: 'tcp:10.0.0.1:80', server: '192.168.1.1:8080' },
  ],
}

/** A director that does what it should, and then one thing more. */
const spoiledBy = (spoil: (director: Director, arrival: Arrival, verdict: Verdict) => void) =>
  class extends Director {
    override process(arrival: Arrival): Verdict {
      const verdict = super.process(arrival)
      spoil(this, arrival, verdict)
      return verdict
    }
  }

const flip = (bytes: Uint8Array, at: number): void => {
  bytes[at] = bytes[at]! ^ 0xff
}

/** What a director might do wrong, and what is said of it. */
const FLAWS: readonly (readonly [string, RegExp, Parameters<typeof spoiledBy>[0]])[] = [
  [
    'an octet written behind the packet',
    /nothing is written behind the packet/,
    (_director, { bytes, end }) => end < bytes.length && flip(bytes, end),
  ],
  [
    'an octet written before the headroom',
    /nothing is written before the headroom/,
    (_director, { bytes }) => flip(bytes, 0),
  ],
  [
    'a packet let pass that was touched',
    /an accepted packet stays as it is/,
    (_director, { bytes, end }, { kind }) => kind === 'accept' && flip(bytes, end - 1),
  ],
  [
    'a wrong octet in what goes on',
    /the transport checksum stays right/,
    (_director, _arrival, { kind, bytes, end }) => kind === 'rewrite' && flip(bytes, end - 1),
  ],
  [
    'a wrong octet where no checksum looks',
    /octet 4 stays/,
    (_director, _arrival, { kind, bytes, start, end }) => {
      if (kind !== 'rewrite') return
      const out = bytes.subarray(start, end)
      flip(out, 4)
      repaired(out)
    },
  ],
  [
    'a wrong octet in a tunnel',
    /octet 44 stays/,
    (_director, _arrival, { kind, bytes, end }) => kind === 'send' && flip(bytes, end - 1),
  ],
  [
    'a verdict beyond its bytes',
    /a verdict lies within its bytes/,
    (_director, _arrival, verdict) => {
      verdict.end = verdict.bytes.length + 1
    },
  ],
  [
    'a drop counted twice',
    /drop hop-limit-exceeded counts as/,
    (director, _arrival, { kind, reason }) => kind === 'drop' && director.dropped.count(reason),
  ],
  [
    'an ICMP error that is not sound',
    /the checksums of the ICMP error are right/,
    (director, _arrival, { answerBytes }) => answerBytes > 0 && flip(director.answer, answerBytes - 1),
  ],
  [
    'a destination that counts a connection too many',
    /destinations count 2 connections, the table has 1/,
    (_director, _arrival, { destination }) => destination?.bind(false),
  ],
  [
    'a total that is not the sum',
    /destinations counted 4 inPackets, the director 9/,
    (director) => director.totals.countIn(1),
  ],
  [
    'an answer that depends on what lies around',
    /what comes of it does not depend on what lies around/,
    (director, { bytes, end }, { answerBytes }) => {
      if (answerBytes === 0 || bytes[end] !== 0xa5) return
      const answer = director.answer.subarray(0, answerBytes)
      flip(answer, 4)
      repaired(answer)
    },
  ],
]

describe('the oracles of the director', () => {
  it('find nothing wrong with a sound director', () => {
    expect(() => checkScenario(SCENARIO)).not.toThrow()
  })

  it.each(FLAWS)('find %s', (_flaw, message, spoil) => {
    const Spoiled = spoiledBy(spoil)
    expect(() => checkScenario(SCENARIO, { make: (options) => new Spoiled(options) })).toThrow(message)
  })

  it('find an exception, and say at which packet', () => {
    class Throwing extends Director {
      override process(arrival: Arrival): Verdict {
        if (arrival.bytes[arrival.start + 8] === 1) throw new RangeError('no such row')
        return super.process(arrival)
      }
    }
    const check = () => checkScenario(SCENARIO, { make: (options) => new Throwing(options) })
    expect(check).toThrow(/^step 4, inbound .* 10\.9\.0\.1:3000 > 10\.0\.0\.1:80 tcp A .*: no such row$/)
  })

  it('find a connection that is there for ever', () => {
    class Forgetful extends Director {
      override passTime(): boolean {
        return true
      }
    }
    const check = () => checkScenario(SCENARIO, { make: (options) => new Forgetful(options) })
    expect(check).toThrow(/3 connections are there for ever/)
  })
})
