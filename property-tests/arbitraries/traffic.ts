/** A director's settings, and traffic that comes back to its own connections often enough. */

import fc from 'fast-check'
import type { Arrival } from '../../lib/director/verdict.ts'
import { OFFLOAD } from '../../lib/encode/offload.ts'
import { SCHEDULERS } from '../../lib/sched/index.ts'
import type { ForwardingMethod } from '../../lib/service/destination.ts'
import { formatEndpoint, formatServiceKey } from '../../lib/service/key.ts'
import type { TunnelSettings } from '../../lib/service/tunnel.ts'
import {
  fragment4,
  fragment6,
  icmp4,
  icmp6,
  ip4,
  ip6,
  readPacket,
  sctp4,
  sctp6,
  tcp4,
  tcp6,
  udp4,
  udp6,
} from '../../test/support/packets.ts'
import { type DestinationSpec, Stage } from '../../test/support/stage.ts'
import { family } from './address.ts'
import { weight } from './pool.ts'

/** Everything that decides where packets go. */
export interface Setting {
  readonly family: Family
  readonly schedulers: readonly string[]
  readonly flags: number
  readonly weights: readonly number[]
  readonly upperThreshold: number
  readonly tunnel: TunnelSettings
  readonly mtuBytes: number | null
  readonly isLocal: boolean
  readonly fullNat: boolean
  readonly granularity: number
  readonly knobs: Readonly<Record<string, number>>
  readonly kernelForwards: { readonly masquerading: boolean; readonly gatewaying: boolean }
  readonly connectionLimit: number
  readonly answersEcho: boolean
}

export const setting = (): fc.Arbitrary<Setting> =>
  fc.record({
    family: family(),
    schedulers: fc.array(scheduler(), { minLength: 3, maxLength: 3 }),
    flags: fc.constantFrom(0, 0x08, 0x10, 0x18),
    weights: fc.array(weight(), { minLength: 3, maxLength: 3 }),
    upperThreshold: fc.constantFrom(0, 0, 0, 2),
    tunnel: fc.constantFrom<TunnelSettings>(
      { type: 'ipip', port: 0, checksum: 'none' },
      { type: 'gre', port: 0, checksum: 'full' },
      { type: 'gre', port: 0, checksum: 'none' },
      { type: 'gue', port: 6080, checksum: 'none' },
      { type: 'gue', port: 6080, checksum: 'remote', clampsMss: true },
    ),
    mtuBytes: fc.constantFrom(1500, 1500, 1500, 1500, 1500, 1400, 60, null),
    isLocal: rarely(),
    fullNat: rarely(),
    granularity: fc.constantFrom(-1, 0xffff_ff00 | 0),
    knobs: fc.record({
      conn_reuse_mode: fc.constantFrom(0, 1, 2, 3),
      expire_nodest_conn: fc.constantFrom(0, 1),
      expire_quiescent_template: fc.constantFrom(0, 1),
      drop_packet: fc.constantFrom(0, 0, 0, 3),
      am_droprate: fc.constantFrom(1, 3, 10),
      cache_bypass: fc.constantFrom(0, 1),
      nat_icmp_send: fc.constantFrom(0, 1),
      schedule_icmp: fc.constantFrom(0, 1),
      secure_tcp: fc.constantFrom(0, 3),
      sloppy_tcp: fc.constantFrom(0, 1),
      pmtu_disc: fc.constantFrom(0, 1),
    }),
    kernelForwards: fc.record({ masquerading: fc.boolean(), gatewaying: fc.boolean() }),
    connectionLimit: fc.constantFrom(3, 12, 64, 64),
    answersEcho: fc.boolean(),
  })

/** `none` seldom: then nothing much happens. */
const scheduler = (): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 14, arbitrary: fc.constantFrom(...Object.keys(SCHEDULERS)) },
    { weight: 1, arbitrary: fc.constant('none') },
  )

const rarely = (): fc.Arbitrary<boolean> => fc.constantFrom(true, false, false, false)

const HOSTS = {
  4: { client: '10.9.0.', virtual: '10.0.0.1', server: '192.168.1.' },
  6: { client: 'fd09::', virtual: 'fd00::1', server: 'fd01::' },
} as const
type Family = keyof typeof HOSTS

const endpoint = (of: Family, address: string, port: number): string =>
  of === 4 ? `${address}:${port}` : `[${address}]:${port}`

/** The ports of the virtual services, each with what is special about it. */
const SERVICES = {
  masquerading: { port: 80, serverPort: 8080, transports: ['tcp', 'udp', 'sctp'] },
  gatewaying: { port: 81, serverPort: 81, transports: ['tcp', 'udp'] },
  ipip: { port: 82, serverPort: 82, transports: ['tcp', 'udp'] },
  persistent: { port: 443, serverPort: 8443, transports: ['tcp'] },
  sip: { port: 5060, serverPort: 5060, transports: ['udp'] },
  onePacket: { port: 53, serverPort: 53, transports: ['udp'] },
  ftp: { port: 21, serverPort: 21, transports: ['tcp'] },
  anyPort: { port: 0, serverPort: 0, transports: ['tcp'] },
  keyExchange: { port: 500, serverPort: 500, transports: ['udp'] },
} as const
type ServiceName = keyof typeof SERVICES
const SERVICE_NAMES = Object.keys(SERVICES) as ServiceName[]

/** A stage with all of the services, and one for firewall mark 1. */
export function makeStage(setting: Setting): Stage {
  const { family: of, schedulers, flags, granularity, knobs } = setting
  const { connectionLimit, kernelForwards, answersEcho } = setting
  const stage = new Stage({ connectionLimit, kernelForwards, answersEcho, random: dice(5) })
  Object.assign(stage.director.knobs, knobs)
  let made = 0
  const persistence = { timeoutSec: 60, granularity: of === 6 ? 64 : granularity, engine: null }
  const special = {
    persistent: { persistence },
    anyPort: { persistence },
    sip: { persistence: { ...persistence, engine: 'sip' } },
    onePacket: { onePacket: true },
  }
  const add = (key: string, name: ServiceName | 'mark', serverPort: number) => {
    const chosen = schedulers[made++ % schedulers.length]!
    const settings = name in special ? special[name as keyof typeof special] : {}
    stage.service(key, { scheduler: chosen, schedulerFlags: flags, ...settings })
    for (const host of [1, 2, 3])
      addServer(stage, setting, key, name, endpoint(of, HOSTS[of].server + host, serverPort))
  }
  for (const name of SERVICE_NAMES) {
    const { port, serverPort, transports } = SERVICES[name]
    for (const transport of transports)
      add(`${transport}:${endpoint(of, HOSTS[of].virtual, port)}`, name, serverPort)
  }
  add(of === 4 ? 'fwmark:1' : 'fwmark:1:ipv6', 'mark', 0)
  return stage
}

function addServer(
  stage: Stage,
  setting: Setting,
  key: string,
  name: ServiceName | 'mark',
  at: string,
): void {
  const { weights, upperThreshold, tunnel, mtuBytes, isLocal, fullNat } = setting
  const method = methodOf(name)
  const host = Number(/([123])\]?:\d+$/.exec(at)![1])
  const spec: DestinationSpec = { method, weight: weights[host - 1]!, upperThreshold, mtuBytes, tunnel }
  const isFullNat = fullNat && method === 'masquerading' && name !== 'ftp'
  const destination = stage.destination(key, at, isFullNat ? { ...spec, fullNat } : spec)
  if (isLocal && host === 3 && destination.path !== null) destination.path = { ...destination.path, isLocal }
}

/** What happens next: packets, in their order, or a change. */
export type Step =
  | PacketStep
  | { readonly kind: 'weight'; readonly host: number; readonly weight: number }
  | { readonly kind: 'remove' | 'add'; readonly host: number }
  /** Time passes; while it stalls, the director is not told. */
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'stall'; readonly ms: number }

export interface PacketStep {
  readonly kind: 'packet'
  readonly flow: Flow
  readonly what: 'request' | 'reply' | 'answer' | 'error-in' | 'error-out' | 'ping'
  readonly flags: string
  readonly ttl: number
  readonly dontFragment: boolean
  readonly hasChecksum: boolean
  readonly payload: string
  readonly isCut: boolean
  readonly offload: Arrival['offload']
  readonly flaw: readonly [at: number, difference: number] | null
}

/** Who talks to what. */
interface Flow {
  readonly of: Family
  readonly mark: number
  readonly transport: 'tcp' | 'udp' | 'sctp' | 'esp'
  readonly port: number
  readonly serverPort: number
  readonly hasOwnEndpoint: boolean
  readonly client: number
  readonly clientPort: number
  readonly server: number
}

const flow = (of: Family): fc.Arbitrary<Flow> =>
  fc
    .record({
      of: fc.constant(of),
      mark: fc.constantFrom(0, 0, 0, 0, 0, 1),
      name: fc.constantFrom(...SERVICE_NAMES),
      transport: fc.nat({ max: 2 }),
      otherPort: fc.constantFrom(1234, 20, 8000),
      client: fc.constantFrom(1, 2),
      clientPort: fc.constantFrom(3000, 3001, 20, 500),
      server: fc.constantFrom(1, 2, 3),
      isEsp: rarely(),
    })
    .map(({ name, transport, otherPort, isEsp, ...rest }) => {
      const { port, serverPort, transports } = SERVICES[name]
      return {
        ...rest,
        port: port === 0 ? otherPort : port,
        serverPort: serverPort === 0 ? otherPort : serverPort,
        hasOwnEndpoint: name !== 'gatewaying' && name !== 'ipip',
        transport: name === 'keyExchange' && isEsp ? 'esp' : transports[transport % transports.length]!,
      }
    })

const PAYLOADS = [
  '',
  'PASV\r\n',
  '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
  'PORT 10,9,0,1,100,1\r\n',
  'INVITE sip:b\r\nCall-ID: a@b\r\n\r\n',
  'x'.repeat(1460),
]

const packetStep = (flows: readonly Flow[]): fc.Arbitrary<PacketStep> =>
  fc.record({
    kind: fc.constant('packet' as const),
    flow: fc.constantFrom(...flows),
    what: fc.oneof(
      { weight: 8, arbitrary: fc.constant('request' as const) },
      { weight: 4, arbitrary: fc.constant('answer' as const) },
      { weight: 1, arbitrary: fc.constantFrom('reply', 'error-in', 'error-out', 'ping') },
    ),
    flags: fc.constantFrom('S', 'S', 'A', 'A', 'A', 'FA', 'R'),
    ttl: fc.constantFrom(64, 64, 64, 64, 64, 64, 64, 2, 1),
    dontFragment: fc.boolean(),
    hasChecksum: fc.boolean(),
    payload: fc.constantFrom(...PAYLOADS),
    isCut: rarely(),
    offload: fc.constantFrom(OFFLOAD.finished, OFFLOAD.finished, OFFLOAD.unfinished),
    flaw: fc.option(fc.tuple(fc.nat({ max: 60 }), fc.integer({ min: 1, max: 255 })), { freq: 20 }),
  })

const host = (): fc.Arbitrary<number> => fc.constantFrom(1, 2, 3)

/** What happens in a setting: first every flow opens its connection, as far as it can. */
export const story = ({ family: of }: Setting): fc.Arbitrary<Step[]> =>
  fc
    .array(flow(of), { minLength: 1, maxLength: 2 })
    .chain((flows) =>
      fc
        .array(laterStep(flows), { minLength: 5, maxLength: 30 })
        .map((later) => [...flows.flatMap(opening), ...later]),
    )

const laterStep = (flows: readonly Flow[]): fc.Arbitrary<Step> =>
  fc.oneof(
    { weight: 16, arbitrary: packetStep(flows) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('weight' as const), host: host(), weight: weight() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom('remove' as const, 'add' as const), host: host() }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom('pass' as const, 'stall' as const),
        ms: fc.constantFrom(50, 200, 3000, 70_000),
      }),
    },
  )

function opening(flow: Flow): Step[] {
  const plain = { ttl: 64, dontFragment: false, hasChecksum: true, isCut: false, flaw: null }
  const step = { kind: 'packet' as const, flow, offload: OFFLOAD.finished, payload: PAYLOADS[4]!, ...plain }
  return [
    { ...step, what: 'request', flags: 'S' },
    { ...step, what: 'answer', flags: 'S' },
    { ...step, what: 'request', flags: 'A' },
  ]
}

/** Changes the servers with this host number in every service, or the time. */
export function change(stage: Stage, setting: Setting, step: Exclude<Step, PacketStep>): void {
  if (step.kind === 'pass') {
    stage.passTime(step.ms)
    return
  }
  if (step.kind === 'stall') {
    stage.nowMs += step.ms
    return
  }
  const { family: of } = setting
  for (const { key, pool } of [...stage.director.services]) {
    if (key.kind === 'fwmark') continue
    const name = SERVICE_NAMES.find((each) => SERVICES[each].port === key.port)!
    const at = endpoint(of, HOSTS[of].server + step.host, SERVICES[name].serverPort)
    const text = formatServiceKey(key)
    const isThere = pool.some((each) => formatEndpoint(each) === at)
    if (step.kind === 'add' && !isThere) addServer(stage, setting, text, name, at)
    else if (step.kind === 'remove' && isThere) stage.remove(text, at)
    else if (step.kind === 'weight' && isThere)
      stage.edit(text, at, { weight: step.weight, method: methodOf(name), tunnel: setting.tunnel })
  }
}

const methodOf = (name: ServiceName | 'mark'): ForwardingMethod =>
  name === 'mark' ? 'ipip' : name === 'gatewaying' || name === 'ipip' ? name : 'masquerading'

export interface SentPacket {
  readonly bytes: Uint8Array
  readonly hook: Arrival['hook']
}

/** The packets of a step; `last` is what went on last, which an answer turns round. */
export function packetsOf(step: PacketStep, last: Uint8Array | null): readonly SentPacket[] {
  const { bytes, hook } = wholePacket(step, last)
  const parts = step.isCut && bytes.length > 100 ? cut(bytes) : [bytes]
  for (const part of parts) if (step.flaw !== null) part[step.flaw[0] % part.length]! ^= step.flaw[1]
  return parts.map((part) => ({ bytes: part, hook }))
}

const cut = (bytes: Uint8Array): Uint8Array[] =>
  readPacket(bytes).family === 4 ? fragment4(bytes, 800) : fragment6(bytes, 800)

function wholePacket(step: PacketStep, last: Uint8Array | null): SentPacket {
  const { of, client, clientPort, port, server, serverPort, hasOwnEndpoint } = step.flow
  const clientEnd = endpoint(of, HOSTS[of].client + client, clientPort)
  const virtualEnd = endpoint(of, HOSTS[of].virtual, port)
  const serverEnd = hasOwnEndpoint ? endpoint(of, HOSTS[of].server + server, serverPort) : virtualEnd
  switch (step.what) {
    case 'request':
      return { bytes: build(step, clientEnd, virtualEnd), hook: 'inbound' }
    case 'reply':
      return { bytes: build(step, serverEnd, clientEnd), hook: 'outbound' }
    case 'answer':
      return { bytes: turned(step, last) ?? build(step, serverEnd, clientEnd), hook: 'outbound' }
    case 'error-in':
      return { bytes: error(of, clientEnd, virtualEnd, build(step, virtualEnd, clientEnd)), hook: 'inbound' }
    case 'error-out':
      return { bytes: error(of, serverEnd, clientEnd, build(step, clientEnd, serverEnd)), hook: 'outbound' }
    case 'ping':
      return { bytes: ping(of, clientEnd, virtualEnd), hook: 'inbound' }
  }
}

const ESP = 50
const BUILDERS = {
  4: {
    tcp: tcp4,
    udp: udp4,
    sctp: sctp4,
    esp: (options: Parameters<typeof udp4>[0]) => ip4({ ...options, protocol: ESP }),
  },
  6: {
    tcp: tcp6,
    udp: udp6,
    sctp: sctp6,
    esp: (options: Parameters<typeof udp6>[0]) => ip6({ ...options, protocol: ESP }),
  },
} as const

function build(step: PacketStep, source: string, destination: string): Uint8Array {
  const { flow, flags, ttl, dontFragment, hasChecksum, payload, isCut } = step
  const options = { source, destination, flags, hasChecksum, payload, chunks: [['init', payload] as const] }
  return flow.of === 4
    ? BUILDERS[4][flow.transport]({ ...options, ttl, dontFragment: dontFragment && !isCut })
    : BUILDERS[6][flow.transport]({ ...options, hopLimit: ttl })
}

/** From where the last packet went to where it came from; null where that has no endpoints of the flow's kind. */
function turned(step: PacketStep, last: Uint8Array | null): Uint8Array | null {
  if (last === null) return null
  const { family: of, protocol, source, destination, sourcePort, destinationPort } = readPacket(last)
  if (of !== step.flow.of || PROTOCOLS[step.flow.transport] !== protocol) return null
  const from = endpoint(of, `${destination}`, destinationPort)
  return build(
    { ...step, flags: `${step.flags.replace('A', '')}A` },
    from,
    endpoint(of, `${source}`, sourcePort),
  )
}

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132, esp: ESP } as const

const bare = (text: string): string => text.replace(/:\d+$/, '')

function error(of: Family, from: string, to: string, about: Uint8Array): Uint8Array {
  const options = { source: bare(from), destination: bare(to), body: about.subarray(0, 100) }
  return of === 4 ? icmp4({ ...options, type: 3, code: 3 }) : icmp6({ ...options, type: 1, code: 4 })
}

function ping(of: Family, from: string, to: string): Uint8Array {
  const options = { source: bare(from), destination: bare(to), body: 'ping' }
  return of === 4 ? icmp4({ ...options, type: 8 }) : icmp6({ ...options, type: 128 })
}

/** Numbers in [0, 1) from a seed: every run is the same. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
    return (state >>> 0) / 2 ** 32
  }
}
