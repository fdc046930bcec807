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
import { fromHex, readPacket, toHex } from '../support/packets.ts'

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

/** What the engine does not do yet, by the case's name. A case that works must not be listed. */
const NOT_YET: readonly [RegExp, string][] = [
  [/icmp error from tunnel path/, 'ICMP errors about packets of our tunnels'],
  [/local real server/, 'real servers on the director itself'],
  [
    /mtu 1300 on server side/,
    'fragmentation of what the kernel forwards, done by the kernel in a real director',
  ],
  [/fragmented/, 'reassembly of fragments'],
  [/^ftp/, 'the FTP helper'],
]

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
    destination.path = { sourceAddress: SOURCES[destination.address.family], mtuBytes }
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
function outputOf(director: Director, { from, hex }: Step, nowMs: number): Step['out'] {
  const bytes = fromHex(hex)
  // The kernel forwards a server's packet, and so has taken one off its TTL, before IPVS sees it.
  if (from === 'server') decrementHopLimit(readPacket(bytes))
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
  if (verdict.kind === 'drop') {
    if (verdict.answerBytes === 0) return []
    return [{ to: from, hex: comparable(director.answer.slice(0, verdict.answerBytes)) }]
  }
  // A packet that is not ours would go to the local stack (from clients) or be forwarded (from servers).
  if (verdict.kind === 'accept' && from === 'client') return []
  return wholeOrFragments(verdict).map((bytes) => ({ to: other, hex: comparable(bytes) }))
}

/** What is our own to send is cut by whoever sends it. */
function wholeOrFragments({ kind, bytes, start, end, destination }: Verdict): Uint8Array[] {
  const mtuBytes = destination?.path?.mtuBytes ?? 0
  if (kind !== 'send' || end - start <= mtuBytes || forbidsFragments(bytes, start)) {
    return [bytes.slice(start, end)]
  }
  const parts: Uint8Array[] = []
  const options = { mtuBytes, identification: 0, out: new Uint8Array(mtuBytes) }
  fragment(bytes, start, end, options, (out, length) => parts.push(out.slice(0, length)))
  return parts
}

/**
 * Without what no two recordings share: the identification of ICMP errors and outer headers that may be fragmented; the
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
  if (!isIpv4 && protocol === 58) bytes.fill(0, 1, 4) // flow label
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

describe('the director forwards as the kernel did', () => {
  for (const each of cases) {
    const reason = NOT_YET.find(([name]) => name.test(each.name))?.[1]
    const run = () => {
      const director = directorWith(each)
      for (const [index, step] of each.steps.entries()) {
        const packet = fromHex(step.hex)
        const where = `step ${index}: ${printPacket(packet)}`
        const expected = step.out
          .map(({ to, hex }) => ({ to, hex: comparable(fromHex(hex)) }))
          .filter(({ hex }) => !isProtocolUnreachable(hex))
        expect(outputOf(director, step, index * 10_000), where).toEqual(expected)
      }
    }
    if (reason === undefined) it(each.name, run)
    else it(`not yet, ${reason}: ${each.name}`, () => expect(run).toThrow())
  }
})
