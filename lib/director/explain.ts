/**
 * What would become of a packet, and why. Nothing is told that was not done: an understudy of the director, with tables of
 * its own that copy what they are asked for, is given a copy of the packet, and what it did is written down. So there is no
 * second opinion here of what a director does.
 */

import type { ConnectionTable } from '../conn/connection-table.ts'
import { formatEndpoint } from '../service/key.ts'
import type { ServiceTable } from '../service/service-table.ts'
import { headerFields } from '../wire/fields.ts'
import { Packet } from '../wire/packet.ts'
import { printPacket } from '../wire/print.ts'
import type { Answers } from './answers.ts'
import type { Defence } from './defence.ts'
import type { Director } from './director.ts'
import type { Explanation } from './explanation.ts'
import type { Fragments } from './fragments.ts'
import { fragmentFate, tellAnswer, tellDropping, tellForwarding, tellSent, wholeFields } from './outcome.ts'
import { RehearsedConnections } from './rehearsed-connections.ts'
import { RehearsedServices } from './rehearsed-services.ts'
import {
  isForeseen,
  tellConnection,
  tellMade,
  tellScheduling,
  tellService,
  tellTemplate,
} from './retelling.ts'
import { type Arrival, HEADROOM_BYTES } from './verdict.ts'

/** What a director works on. */
export interface Tables {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
}

/** What an understudy is made for. */
export interface Understudy {
  readonly tables: { readonly services: RehearsedServices; readonly connections: RehearsedConnections }
  /** What it will be given. Where it is malformed, no more than that counts. */
  readonly packet: Packet
  readonly random: () => number
}

/** What of the director an explanation looks at, or has made. */
export interface ExplainParts {
  readonly defence: Defence
  readonly answers: Answers
  readonly fragments: Fragments
  readonly understudy: (wanted: Understudy) => Director
}

/** What `director` would make of the packet. Neither is changed. */
export function explain(arrival: Arrival, director: Director, parts: ExplainParts): Explanation {
  const { nowMs, hook, mark } = arrival
  const services = new RehearsedServices(director.services)
  const connections = new RehearsedConnections(director.connections, nowMs, (id) => services.idOf(id))
  const copy = copyOf(arrival)
  const packet = new Packet()
  const flaw = packet.read(copy.bytes, copy.start, copy.end)
  const text = printPacket(copy.bytes, copy.start, copy.end)
  const fields = flaw === null ? headerFields(packet) : []
  const hopLimit = flaw === null ? packet.hopLimit : 0

  let lots = 0
  const random = () => {
    lots++
    return 0
  }
  const understudy = parts.understudy({ tables: { services, connections }, packet, random })
  const lotsBefore = lots
  const verdict = understudy.process(copy)
  const rehearsal = { director, services, connections, nowMs }
  const scheduling = tellScheduling(rehearsal)
  const whole = verdict.reassembled === null ? fields : wholeFields(packet, parts.fragments, nowMs)
  return {
    packet: {
      hook,
      fwmark: mark >>> 0,
      flaw: flaw?.reason ?? null,
      text,
      lengthBytes: Math.max(0, copy.end - copy.start),
      fragment: flaw === null && packet.isFragment ? fragmentFate(verdict, understudy) : null,
    },
    connection: tellConnection(rehearsal),
    service: tellService(rehearsal),
    dropping: tellDropping(rehearsal, packet, parts.defence),
    template: tellTemplate(rehearsal),
    scheduling,
    ...tellMade(rehearsal),
    forwarding: tellForwarding(rehearsal, hopLimit),
    sent: tellSent(whole, verdict),
    verdict: {
      kind: verdict.kind,
      reason: verdict.reason,
      destination: verdict.destination === null ? null : formatEndpoint(verdict.destination),
      isCertain: lots === lotsBefore && isForeseen(scheduling),
      answer: tellAnswer(understudy.answer, verdict.answerBytes, parts.answers, nowMs),
    },
  }
}

/** The same packet in bytes of its own. */
function copyOf(arrival: Arrival): Arrival {
  const { bytes, start, end } = arrival
  const copy = new Uint8Array(HEADROOM_BYTES + Math.max(0, end - start))
  copy.set(bytes.subarray(start, end), HEADROOM_BYTES)
  return { ...arrival, bytes: copy, start: HEADROOM_BYTES, end: copy.length }
}
