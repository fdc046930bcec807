/** A director on a stage: services in a line each, packets with guard octets around them, a clock moved by hand. */

import { expect } from 'vitest'
import { parseAddress } from '../../lib/bytes/address.ts'
import type { ConnectionView } from '../../lib/conn/connection-view.ts'
import { Director } from '../../lib/director/director.ts'
import type { DirectorOptions } from '../../lib/director/options.ts'
import { type Arrival, HEADROOM_BYTES, type Verdict } from '../../lib/director/verdict.ts'
import { OFFLOAD, type Offload } from '../../lib/encode/offload.ts'
import type { Destination, DestinationSettings, Path } from '../../lib/service/destination.ts'
import { formatEndpoint, parseEndpoint, parseServiceKey, type ServiceKey } from '../../lib/service/key.ts'
import { isRefusal, type Refusal } from '../../lib/service/refusal.ts'
import type { ServiceSettings, VirtualService } from '../../lib/service/virtual-service.ts'

const GUARD_BYTES = 64
const GARBAGE = 0xa5

/** The director's own addresses towards its servers. */
export const DIRECTOR_4 = '192.168.1.254'
export const DIRECTOR_6 = 'fd01::254'

export interface DestinationSpec extends Partial<DestinationSettings> {
  /** The real server is the director itself. */
  readonly isLocal?: boolean
  /** The path's MTU; null leaves the destination without a path. 1500 unless said. */
  readonly mtuBytes?: number | null
}

export interface Sending {
  readonly mark?: number
  readonly offload?: Offload
  /** Room before the packet that the director may write to. */
  readonly headroomBytes?: number
}

/** A verdict, kept: copies of everything that the next packet overwrites. */
export interface Outcome {
  readonly kind: Verdict['kind']
  readonly reason: string
  /** What goes on; of an accepted, absorbed or dropped packet, nothing. */
  readonly out: Uint8Array
  /** Null where the packet came in one piece. */
  readonly largestFragmentBytes: number | null
  /** The ICMP error for the sender, or null. */
  readonly answer: Uint8Array | null
  /** `192.168.1.1:80`, or null. */
  readonly destination: string | null
}

export class Stage {
  readonly director: Director
  nowMs = 0

  constructor(options: Partial<DirectorOptions> = {}) {
    this.director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: 1024, ...options })
  }

  service(key: string, settings: Partial<ServiceSettings> = {}): VirtualService {
    return granted(
      this.director.services.add(serviceKey(key), { scheduler: 'rr', schedulerFlags: 0, ...settings }),
    )
  }

  destination(
    key: string,
    at: string,
    { mtuBytes = 1500, isLocal = false, ...settings }: DestinationSpec = {},
  ): Destination {
    const destination = granted(
      this.director.services.addDestination(serviceKey(key), parseEndpoint(at)!, settingsOf(settings)),
    )
    destination.path = mtuBytes === null ? null : { ...pathTo(destination, mtuBytes), isLocal }
    return destination
  }

  edit(key: string, at: string, settings: Partial<DestinationSettings>): Destination {
    return granted(
      this.director.services.editDestination(serviceKey(key), parseEndpoint(at)!, settingsOf(settings)),
    )
  }

  remove(key: string, at: string): Destination {
    return granted(this.director.services.removeDestination(serviceKey(key), parseEndpoint(at)!))
  }

  inbound(packet: Uint8Array, sending: Sending = {}): Outcome {
    return this.#send('inbound', packet, sending)
  }

  outbound(packet: Uint8Array, sending: Sending = {}): Outcome {
    return this.#send('outbound', packet, sending)
  }

  /** Moves the clock and lets the director do all that is due by then. */
  passTime(ms: number): void {
    this.nowMs += ms
    for (let calls = 0; !this.director.passTime(this.nowMs); calls++) expect(calls).toBeLessThan(1000)
  }

  /** The connections there are, as listings show them. */
  get connections(): readonly (ConnectionView & { readonly stateName: string })[] {
    const { connections } = this.director
    return [...connections.records()].map((record) => {
      const view = connections.describe(record, this.nowMs)
      const stateName = this.director.protocol(view.protocol)?.states[view.state] ?? '?'
      return { ...view, stateName }
    })
  }

  /** The only connection there is. */
  get connection(): ConnectionView & { readonly stateName: string } {
    expect(this.connections).toHaveLength(1)
    return this.connections[0]!
  }

  #send(hook: Arrival['hook'], packet: Uint8Array, sending: Sending): Outcome {
    const headroomBytes = sending.headroomBytes ?? HEADROOM_BYTES
    const start = headroomBytes === HEADROOM_BYTES ? GUARD_BYTES + headroomBytes : headroomBytes
    const end = start + packet.length
    const bytes = new Uint8Array(end + GUARD_BYTES).fill(GARBAGE)
    bytes.set(packet, start)
    const { mark = 0, offload = OFFLOAD.finished } = sending
    const verdict = this.director.process({ bytes, start, end, hook, mark, offload, nowMs: this.nowMs })
    expectGuards(bytes, start - headroomBytes, end)
    return outcomeOf(this.director, verdict)
  }
}

/** The verdicts that a packet goes on by. */
const HAS_PACKET: readonly Verdict['kind'][] = ['rewrite', 'direct', 'send']

/** A verdict as values of its own. */
export function outcomeOf(director: Director, verdict: Verdict): Outcome {
  const { kind, reason, bytes, start, end, destination, answerBytes, reassembled } = verdict
  return {
    kind,
    reason,
    out: HAS_PACKET.includes(kind) ? bytes.slice(start, end) : new Uint8Array(0),
    answer: answerBytes > 0 ? director.answer.slice(0, answerBytes) : null,
    destination: destination === null ? null : formatEndpoint(destination),
    largestFragmentBytes: reassembled?.largestFragmentBytes ?? null,
  }
}

/** `tcp:10.0.0.1:80` as a key; a test that mistypes one fails here. */
export function serviceKey(text: string): ServiceKey {
  const key = parseServiceKey(text)
  if (key === null) throw new Error(`expected a service such as tcp:10.0.0.1:80, found ${text}`)
  return key
}

export const settingsOf = (settings: Partial<DestinationSettings> = {}): DestinationSettings => ({
  method: 'masquerading',
  weight: 1,
  upperThreshold: 0,
  lowerThreshold: 0,
  ...settings,
})

/** The value, unless it is a refusal: then the test fails with its message. */
export function granted<T extends object>(result: T | Refusal): T {
  if (isRefusal(result)) throw new Error(`refused (${result.refused}): ${result.message}`)
  return result
}

/** The code of the refusal that was expected. */
export function refusalOf(result: object): string {
  return isRefusal(result) ? result.refused : 'granted'
}

const pathTo = ({ address }: Destination, mtuBytes: number): Path => ({
  sourceAddress: parseAddress(address.family === 4 ? DIRECTOR_4 : DIRECTOR_6)!,
  mtuBytes,
})

function expectGuards(bytes: Uint8Array, from: number, to: number): void {
  const isGarbage = (octet: number) => octet === GARBAGE
  expect(bytes.subarray(0, from).every(isGarbage), 'octets written before the packet’s room').toBe(true)
  expect(bytes.subarray(to).every(isGarbage), 'octets written behind the packet').toBe(true)
}
