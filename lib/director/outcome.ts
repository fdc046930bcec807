/** What came of an understudy's packet, told in values: its last step, what goes on of it, and what is answered. */

import { readU8, readU32 } from '../bytes/octets.ts'
import { ICMP_ERROR, type IcmpErrorKind } from '../encode/icmp-error.ts'
import { formatEndpoint } from '../service/key.ts'
import { type Field, headerFields } from '../wire/fields.ts'
import { Packet } from '../wire/packet.ts'
import { REASSEMBLY_REASONS } from '../wire/reassembly.ts'
import type { Answers } from './answers.ts'
import { changesTo } from './changes.ts'
import type { Defence } from './defence.ts'
import type { Director } from './director.ts'
import type { AnswerExplained, DroppingExplained, ForwardingExplained, SentExplained } from './explanation.ts'
import { Fragments } from './fragments.ts'
import { ReasonCounters } from './reasons.ts'
import { destinationOf, methodName, type Rehearsal, recordOf } from './retelling.ts'
import type { Verdict } from './verdict.ts'

/** Only packets that would start a connection are dropped by the knob; an ICMP error that is scheduled is not. */
export function tellDropping(
  { director, services }: Rehearsal,
  packet: Packet,
  defence: Defence,
): DroppingExplained | null {
  const isFollowed = director.protocol(packet.protocol) !== undefined
  return services.found !== null && isFollowed ? defence.packetDropping : null
}

/** The last step of a packet that came with this hop limit; null where it belongs to no connection. */
export function tellForwarding(rehearsal: Rehearsal, hopLimit: number): ForwardingExplained | null {
  const own = recordOf(rehearsal)
  if (own === null) return null
  const { connections, services, nowMs } = rehearsal
  const view = connections.describe(own.record, nowMs)
  const { path, tunnel } = services.destination(view.destinationId)
  const method = methodName(own.flags)
  return {
    destination: formatEndpoint(destinationOf(view)),
    method,
    path: path && {
      sourceAddress: `${path.sourceAddress}`,
      mtuBytes: path.mtuBytes,
      isLocal: path.isLocal === true,
    },
    tunnel: method === 'ipip' ? tunnel : null,
    hopLimit,
  }
}

/** The packet that goes on, against the fields of the one that came. */
export function tellSent(before: readonly Field[], verdict: Verdict): SentExplained | null {
  const { kind, bytes, start, end, destination } = verdict
  if (kind !== 'rewrite' && kind !== 'direct' && kind !== 'send') return null
  // An answer of our own is sent as well, and to no destination.
  const isTunnelled = kind === 'send' && destination !== null
  return { lengthBytes: end - start, changes: changesTo(before, { bytes, start, end, isTunnelled }) }
}

/** The ICMP error in `bytes`, of this length. */
export function tellAnswer(
  bytes: Uint8Array,
  lengthBytes: number,
  answers: Answers,
  nowMs: number,
): AnswerExplained | null {
  if (lengthBytes === 0) return null
  const error = new Packet()
  error.read(bytes, 0, lengthBytes)
  const { family, transportStart, source, destination } = error
  const type = readU8(bytes, transportStart)
  const code = readU8(bytes, transportStart + 1)
  const kinds = Object.keys(ICMP_ERROR) as IcmpErrorKind[]
  const kind = kinds.find((each) => ICMP_ERROR[each][family].join() === `${type},${code}`) ?? null
  return {
    kind: kind ?? `${type}/${code}`,
    from: `${source}`,
    to: `${destination}`,
    mtuBytes: kind === 'packetTooBig' ? readU32(bytes, transportStart + 4) : 0,
    isSent: answers.wouldAllow(kind, destination, nowMs),
  }
}

/** What becomes of a fragment as such; null where it is not to be put together with others. */
export function fragmentFate(verdict: Verdict, understudy: Director): string | null {
  if (verdict.reassembled !== null) return 'completes'
  if (verdict.kind !== 'absorb') return null
  const dropped = understudy.dropped.toObject()
  const misfit = MISFITS.find((reason) => dropped[reason]! > 0)
  return misfit ?? 'waits'
}

/** Those that cost the fragment itself; the others cost datagrams that waited too long before it. */
const MISFITS = REASSEMBLY_REASONS.filter((reason) => reason !== 'timed-out' && reason !== 'evicted').map(
  (reason) => `fragment-${reason}`,
)

/** The fields of the datagram that the fragment completes, as it would have come in one piece. */
export function wholeFields(fragment: Packet, fragments: Fragments, nowMs: number): Field[] {
  const understudy = new Fragments(fragment, new ReasonCounters([]), true)
  understudy.imitate(fragments, fragment)
  const whole = understudy.complete(nowMs)
  const packet = new Packet()
  const isSound = whole !== null && packet.read(whole.bytes, whole.start, whole.end) === null
  return isSound ? headerFields(packet) : []
}
