import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { IpAddress } from '../../lib/bytes/address.ts'
import { checksum } from '../../lib/bytes/checksum.ts'
import { readU8, readU16, writeU16 } from '../../lib/bytes/octets.ts'
import { Director } from '../../lib/director/director.ts'
import type { Verdict } from '../../lib/director/verdict.ts'
import { forbidsFragments, fragment } from '../../lib/encode/fragment.ts'
import { decrementHopLimit } from '../../lib/encode/hop-limit.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import type { ForwardingMethod } from '../../lib/service/destination.ts'
import { parseEndpoint, parseServiceKey } from '../../lib/service/key.ts'
import { isRefusal } from '../../lib/service/refusal.ts'
import type { TunnelSettings, TunnelType } from '../../lib/service/tunnel.ts'
import { printPacket } from '../../lib/wire/print.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { withoutFlowPort } from '../support/decapsulate.ts'
import { fromHex, readPacket, tcp4, toHex } from '../support/packets.ts'

interface Step {
  from: 'client' | 'server'
  hex: string
  out: { to: 'client' | 'server'; hex: string }[]
}
interface Case {
  name: string
  ipvsadm: string[]
  sysctl: Record<string, number>
  steps: Step[]
}

/** IP packets recorded on a director running Linux 6.1.176 with IPVS; the file describes the topology. */
const { cases } = JSON.parse(
  readFileSync(new URL('../vectors/packets-golden.json', import.meta.url), 'utf8'),
) as { cases: Case[] }

const METHODS: Record<string, ForwardingMethod> = { '-m': 'masquerading', '-g': 'gatewaying', '-i': 'ipip' }
const SOURCES = {
  4: new IpAddress(4, 0xc0a801fe),
  6: new IpAddress(6, 0xfd010000, 0, 0, 0x254),
}

function directorWith({ name, ipvsadm, sysctl }: Case): Director {
  const director = new Director({ nowMs: 0, random: () => 0.5, connectionLimit: 1024 })
  Object.assign(director.knobs, sysctl)
  const mtuBytes = name.startsWith('mtu 1300') ? 1300 : 1500
  for (const command of ipvsadm) {
    const words = command.split(' ')
    const transport = words[1] === '-u' ? 'udp' : 'tcp'
    const key = parseServiceKey(`${transport}:${words[2]}`)!
    if (words[0] === '-A') {
      director.services.add(key, { scheduler: words[4]!, schedulerFlags: 0 })
      continue
    }
    const destination = director.services.addDestination(key, parseEndpoint(words[4]!)!, {
      method: METHODS[words[5]!]!,
      weight: 1,
      upperThreshold: 0,
      lowerThreshold: 0,
      tunnel: tunnelOf(words),
    })
    if (isRefusal(destination)) throw new Error(destination.message)
    const sourceAddress = SOURCES[destination.address.family]
    destination.path = { sourceAddress, mtuBytes, isLocal: destination.address.equals(sourceAddress) }
  }
  return director
}

/** The `--tun-*` options of a command line. */
function tunnelOf(words: string[]): TunnelSettings {
  const after = (option: string) => words[words.indexOf(option) + 1]!
  const checksum = words.includes('--tun-remcsum') ? 'remote' : words.includes('--tun-csum') ? 'full' : 'none'
  return {
    type: words.includes('--tun-type') ? (after('--tun-type') as TunnelType) : 'ipip',
    port: words.includes('--tun-port') ? Number(after('--tun-port')) : 0,
    checksum,
  }
}

/** What leaves the director, as the recording has it. */
function outputOf(
  director: Director,
  { from, hex }: Step,
  nowMs: number,
  { isForwarded } = { isForwarded: from === 'server' },
): Step['out'] {
  const bytes = fromHex(hex)
  // The kernel forwards a server's packet, and so has taken one off its TTL, before IPVS sees it.
  if (isForwarded) decrementHopLimit(readPacket(bytes))
  const hook = from === 'client' ? 'inbound' : 'outbound'
  const arrival = {
    bytes,
    start: 0,
    end: bytes.length,
    hook,
    mark: 0,
    offload: OFFLOAD.finished,
    nowMs,
  } as const
  return whatLeaves(director, director.process(arrival), from)
}

function whatLeaves(director: Director, verdict: Verdict, from: Step['from']): Step['out'] {
  const other = from === 'client' ? 'server' : 'client'
  const { kind, answerBytes, destination } = verdict
  if (kind === 'drop' || kind === 'absorb') {
    if (answerBytes === 0) return []
    // A refusal goes back; what a router said of a tunnel's packet goes on to the client.
    const to = kind === 'drop' ? from : other
    return [{ to, hex: comparable(director.answer.slice(0, answerBytes)) }]
  }
  // A packet that is not ours would go to the local stack (from clients) or be forwarded (from servers).
  if (kind === 'accept' && from === 'client') return []
  if (destination?.path?.isLocal === true && from === 'client') return localStack(director, verdict)
  return wholeOrFragments(verdict, from).map((bytes) => ({ to: other, hex: comparable(bytes) }))
}

/** The director's own stack, where nobody listens: it resets, and its answer passes the director as a server's does. */
function localStack(director: Director, { bytes, start, end }: Verdict): Step['out'] {
  const { source, sourcePort, destination, destinationPort } = readPacket(bytes.slice(start, end))
  const reset = tcp4({
    source: `${destination}:${destinationPort}`,
    destination: `${source}:${sourcePort}`,
    sequence: 0,
    acknowledgment: 1001,
    identification: 0,
    dontFragment: true,
    window: 0,
    flags: 'RA',
  })
  const step: Step = { from: 'server', hex: toHex(reset), out: [] }
  return outputOf(director, step, 0, { isForwarded: false })
}

/** What is too long is cut by whoever sends it: us, or the kernel that forwards it. */
function wholeOrFragments(
  { bytes, start, end, destination, reassembled }: Verdict,
  from: Step['from'],
): Uint8Array[] {
  const wayBytes = from === 'client' ? (destination?.path?.mtuBytes ?? 1500) : 1500
  const mtuBytes = Math.min(wayBytes, reassembled?.largestFragmentBytes ?? wayBytes)
  if (end - start <= mtuBytes || forbidsFragments(bytes, start)) return [bytes.slice(start, end)]
  const parts: Uint8Array[] = []
  const as = reassembled ?? undefined
  const options = { mtuBytes, identification: 0, out: new Uint8Array(mtuBytes), as }
  fragment(bytes, start, end, options, (out, length) => parts.push(out.slice(0, length)))
  return parts
}

/**
 * Without what no two recordings share: the identification of ICMP errors and outer headers that may be fragmented, and of IPv6 fragments; the
 * source port of GUE, and with it the checksum, which is verified here.
 */
function comparable(bytes: Uint8Array): string {
  const isIpv4 = readU8(bytes, 0) >>> 4 === 4
  const protocol = isIpv4 ? readU8(bytes, 9) : readU8(bytes, 6)
  if (isIpv4 && (protocol === 1 || (isTunnel(bytes) && (readU16(bytes, 6) & 0x4000) === 0))) {
    writeU16(bytes, 4, 0)
    writeU16(bytes, 10, 0)
    writeU16(bytes, 10, checksum(bytes, 0, 20))
  }
  if (!isIpv4 && protocol === PROTOCOL.icmpv6) bytes.fill(0, 1, 4) // flow label
  if (!isIpv4 && protocol === PROTOCOL.fragment) bytes.fill(0, 44, 48) // identification
  return isGue(bytes) ? withoutFlowPort(bytes) : toHex(bytes)
}

const TUNNEL_PROTOCOLS: readonly number[] = [PROTOCOL.ipip, PROTOCOL.ipv6, PROTOCOL.gre]
const isTunnel = (bytes: Uint8Array): boolean =>
  TUNNEL_PROTOCOLS.includes(readPacket(bytes).protocol) || isGue(bytes)

/** The recorded cases have their GUE on these ports, and no other service there. */
const GUE_PORTS = [6080, 6081]
const isGue = (bytes: Uint8Array): boolean => {
  const { protocol, destinationPort } = readPacket(bytes)
  return protocol === PROTOCOL.udp && GUE_PORTS.includes(destinationPort)
}

/** What a host without IPsec itself answers to ESP that is for nobody else: it comes from its stack, not from IPVS. */
const isProtocolUnreachable = (hex: string): boolean =>
  hex.slice(18, 20) === '01' && hex.slice(40, 44) === '0302'

/**
 * The kernel's first report of a tunnel's path MTU may still be the old one (its cached route is older): the reported value
 * is not compared there, `test/director/tunnel-errors.test.ts` has what it is to be.
 */
function withoutFirstReport(hex: string, { name }: Case, { from }: Step): string {
  const isReport = hex.startsWith('45') && hex.slice(40, 44) === '0304'
  if (!name.startsWith('icmp error from tunnel path') || from === 'client' || !isReport) return hex
  return `${hex.slice(0, 44)}0000${hex.slice(48, 52)}0000${hex.slice(56)}`
}

describe('the director forwards as the kernel did', () => {
  it.each(cases.map((each) => [each.name, each] as const))('%s', (_name, each) => {
    const director = directorWith(each)
    for (const [index, step] of each.steps.entries()) {
      const where = `step ${index}: ${printPacket(fromHex(step.hex))}`
      const expected = step.out
        .map(({ to, hex }) => ({ to, hex: comparable(fromHex(hex)) }))
        .filter(({ hex }) => !isProtocolUnreachable(hex))
      const masked = (out: Step['out']) =>
        out.map(({ to, hex }) => ({ to, hex: withoutFirstReport(hex, each, step) }))
      expect(masked(outputOf(director, step, index * 10_000)), where).toEqual(masked(expected))
    }
  })
})
