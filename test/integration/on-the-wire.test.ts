/** What the director puts on the wire, held field by field against what it was sent: tcpdump's captures of both sides. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Ipv4View } from '../../lib/wire/ipv4.ts'
import { Ipv6View } from '../../lib/wire/ipv6.ts'
import { describeTcpFlags, TcpView } from '../../lib/wire/tcp.ts'
import { expectPacket, type PacketExpectation } from '../support/expect-packet.ts'
import { CLIENT, DIRECTOR, type Host, realServerAddresses, VIP } from '../support/lab/addresses.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import { type Frame, stations } from '../support/lab/pcap.ts'
import { readPacket } from '../support/packets.ts'
import { randomText, sha256, startSums, upload } from '../support/transfers.ts'
import {
  type Family,
  type Kind,
  listeningWays,
  portOf,
  SERVER_OF,
  serverAddressOf,
  serverPortOf,
  servicesOf,
  vipOf,
  WAYS,
  type Way,
} from '../support/ways.ts'
import { exchange } from '../support/wire-exchange.ts'

const obstacle = labObstacle()
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

/** Not the defaults, so that what is copied can be told from what is made up. DSCP EF. */
const MARKED = { ttl: 37, trafficClass: 0xb8 } as const
const TUNNELS = WAYS.filter(([, { method }]) => method === 'ipip')
const ROUTED = WAYS.filter(([, { vip }]) => vip === 'routed')
/** A service whose real server is on the client's own link. */
const ONE_ARMED_PORT = 8100
/** A service without any. */
const DESERTED_PORT = 8200

describe.skipIf(obstacle !== null)('on the wire', () => {
  let lab: Lab

  beforeAll(async () => {
    // rs1 leaves checksums to hardware, so that the director has those of masqueraded answers to finish.
    lab = await laboratory('wire', ['client', 'rs2', 'rs3'])
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(WAYS)(
    'a datagram becomes what the method makes of it, and so does its answer: %s',
    async (_title, way) => {
      const { sent, received, answers, clientPort } = await exchange(lab, way, 'echo', 'a datagram', MARKED)
      expect([sent.length, received.length, answers.length]).toEqual([1, 1, 1])
      const { method, service } = way
      const packet = await forwarded(lab, way, 'echo', sent[0]!, received[0]!)
      packet.udp({ payload: 'a datagram' }).checksumsAreValid()

      // A masqueraded answer goes through the director, which the others never see.
      const sender = method === 'masquerading' ? 'director' : SERVER_OF[method]
      expect(stations(answers[0]!)).toEqual(await link(lab, sender, 'client', 'front'))
      const endpoints = { sourcePort: portOf(way, 'echo'), destinationPort: clientPort }
      ip(expectPacket(answers[0]!.packet), service, {
        source: vipOf(way),
        destination: CLIENT[service],
        hops: method === 'masquerading' ? 63 : 64,
      })
        .udp({ ...endpoints, payload: `${SERVER_OF[method]}:a datagram` })
        .checksumsAreValid()
    },
  )

  it.each(WAYS)('so is every segment of a connection: %s', async (_title, way) => {
    const { sent, received, answer } = await exchange(lab, way, 'sum', 'a connection', MARKED)
    expect(answer).toBe(`${sha256('a connection')}  -\n`)
    // At least the SYN, an acknowledgment, the data and the FIN.
    expect(sent.length).toBeGreaterThanOrEqual(4)
    expect(received).toHaveLength(sent.length)
    for (const [index, frame] of sent.entries()) {
      const { bytes, transportStart } = readPacket(frame.packet)
      const { sequence, acknowledgment, window, flags } = new TcpView(bytes, transportStart)
      const packet = await forwarded(lab, way, 'sum', frame, received[index]!)
      packet.tcp({ sequence, acknowledgment, window, flags: describeTcpFlags(flags) }).checksumsAreValid()
    }
  })

  it.each(TUNNELS.filter(([, { service }]) => service === 'v4'))(
    'fragmenting stays forbidden, or allowed: %s',
    async (_title, way) => {
      for (const [discovery, dontFragment] of [
        [0, false],
        [2, true],
      ] as const) {
        const options = { socket: [`mtudiscover=${discovery}`] }
        const { received } = await exchange(lab, way, 'echo', 'whole?', options)
        const outer = expectPacket(received[0]!.packet)
        if (way.server === 'v4') outer.ipv4({ dontFragment })
        outer.inner().ipv4({ dontFragment })
      }
    },
  )

  it.each(TUNNELS)(
    'a packet that experienced congestion is capable of it outside: %s',
    async (_title, way) => {
      const { trafficClass } = MARKED
      const { received } = await exchange(lab, way, 'echo', 'slow', { trafficClass: trafficClass | 3 })
      const outer = ip(expectPacket(received[0]!.packet), way.server, { trafficClass: trafficClass | 2 })
      ip(outer.inner(), way.service, { trafficClass: trafficClass | 3 })
    },
  )

  // Not all ways: the director answers a client with no more than six errors at once.
  it.each(ROUTED)('a packet on its last hop is not forwarded, but answered: %s', async (_title, way) => {
    const capture = await lab.capture('client', 'front', 'icmp[icmptype] == 11 or icmp6[icmp6type] == 3')
    const lastHop = { ttl: 1, isAnswered: false }
    const { received, clientPort } = await exchange(lab, way, 'echo', 'last hop', lastHop)
    const [error] = await capture.wait(() => true)
    await capture.stop()
    expect(received).toEqual([])
    const [client, virtual] = [CLIENT[way.service], vipOf(way)]
    ip(expectPacket(error!.packet), way.service, { source: virtual, destination: client }).checksumsAreValid()
    ip(expectPacket(error!.packet).quoted(), way.service, { source: client, destination: virtual }).udp({
      sourcePort: clientPort,
      destinationPort: portOf(way, 'echo'),
    })
  })

  it.each(['v4', 'v6'] as const)(
    'a service without real servers answers that the port is unreachable, over IP%s',
    async (family) => {
      const capture = await lab.capture('client', 'front', 'icmp[0] == 3 or icmp6[icmp6type] == 1')
      const url = `http://${family === 'v4' ? VIP.routed.v4 : `[${VIP.routed.v6}]`}:${DESERTED_PORT}/`
      expect(await lab.curl('client', url)).toMatchObject({ exitCode: 7 })
      const [error] = await capture.stop()
      const addresses = { source: VIP.routed[family], destination: CLIENT[family] }
      const packet = ip(expectPacket(error!.packet), family, addresses).checksumsAreValid()
      if (family === 'v4') packet.icmp({ type: 3, code: 3 })
      else packet.icmpv6({ type: 1, code: 4 })
    },
  )

  it('no client is redirected to a real server on its own link', async () => {
    const capture = await lab.capture('client', 'front', 'icmp[icmptype] == 5 or icmp6[icmp6type] == 137')
    const ask = (family: Family, text: string) =>
      lab.udpRequest('client', { address: VIP.routed[family], port: ONE_ARMED_PORT, text })
    for (const family of ['v4', 'v6'] as const) expect(await ask(family, 'hello')).toBe('rs2:hello')
    expect(capture.frames).toEqual([])
    // The control: left to itself, the kernel does redirect.
    const settings = ['all', 'front'].map((device) => `net.ipv4.conf.${device}.send_redirects`)
    await lab.exec('director', ['sysctl', '-qw', ...settings.map((name) => `${name}=1`)])
    await ask('v4', 'hello again')
    await capture.wait(() => true)
    await lab.exec('director', ['sysctl', '-qw', ...settings.map((name) => `${name}=0`)])
    expect(await capture.stop()).toHaveLength(1)
  })
})

describe.skipIf(obstacle !== null)('on the wire, where clients leave checksums to hardware', () => {
  let lab: Lab

  beforeAll(async () => {
    lab = await laboratory('wireoff', ['rs1', 'rs2', 'rs3'])
  })

  afterAll(async () => {
    await lab?.destroy()
  })

  it.each(ROUTED)('a datagram and a connection are accepted by the real server: %s', async (_title, way) => {
    const datagram = await exchange(lab, way, 'echo', 'unfinished')
    expect(datagram.answer).toBe(`${SERVER_OF[way.method]}:unfinished`)
    // What the client sent was unfinished indeed: a capture of it has no valid checksum.
    expect(() => expectPacket(datagram.sent[0]!.packet).checksumsAreValid()).toThrow(
      /transportChecksumIsValid/,
    )
    const connection = await exchange(lab, way, 'sum', 'unfinished')
    expect(connection.answer).toBe(`${sha256('unfinished')}  -\n`)
    // Gatewaying leaves packets alone, checksums too: the device does those.
    if (way.method === 'gatewaying') return
    for (const { packet } of [...datagram.received, ...connection.received]) {
      const outer = expectPacket(packet).headerChecksumIsValid()
      if (way.method === 'ipip') outer.inner().checksumsAreValid()
      else outer.checksumsAreValid()
    }
  })

  it.each(ROUTED)('so are super-packets: %s', async (_title, way) => {
    const text = randomText(300_000)
    const to = { address: vipOf(way), port: portOf(way, 'sum') }
    expect(await upload(lab, 'client', { ...to, content: text })).toBe(sha256(text))
  })
})

/** A laboratory with everything that listens, and a running daemon. */
async function laboratory(prefix: string, withoutOffloads: readonly Exclude<Host, 'lan'>[]): Promise<Lab> {
  const lab = await Lab.create({ prefix, withoutOffloads })
  await lab.decapsulate('rs3')
  await Promise.all([
    ...listeningWays().flatMap((way) => [
      startSums(lab, SERVER_OF[way.method], serverPortOf(way, 'sum')),
      lab.udpEcho(SERVER_OF[way.method], serverPortOf(way, 'echo')),
    ]),
    lab.udpEcho('rs2', ONE_ARMED_PORT),
  ])
  const ways = WAYS.map(([, way]) => way)
  const oneArmed = (['v4', 'v6'] as const).map((family) => ({
    ...{ protocol: 'udp', address: VIP.routed[family], port: ONE_ARMED_PORT },
    destinations: [{ address: realServerAddresses('rs2').front[family], port: ONE_ARMED_PORT }],
  }))
  const deserted = (['v4', 'v6'] as const).map((family) => ({
    ...{ protocol: 'tcp', address: VIP.routed[family], port: DESERTED_PORT },
  }))
  await lab.uipvs({ config: { services: [...servicesOf(ways, ['sum', 'echo']), ...oneArmed, ...deserted] } })
  return lab
}

/**
 * Holds link and network headers of what the real server received against what the client sent. Returns the packet,
 * the inner one of a tunnel's, to be expected more of.
 */
async function forwarded(
  lab: Lab,
  way: Way,
  kind: Kind,
  sent: Frame,
  received: Frame,
): Promise<PacketExpectation> {
  const { method, service, server } = way
  expect(stations(received)).toEqual(await link(lab, 'director', SERVER_OF[method], 'back'))
  const hops = hopsOf(sent.packet) - 1
  const isTranslated = method === 'masquerading'
  const destination = isTranslated ? serverAddressOf(way) : vipOf(way)
  const port = isTranslated ? serverPortOf(way, kind) : portOf(way, kind)
  const expected = { ...copied(sent.packet), source: CLIENT[service], destination, hops }
  const packet = expectPacket(received.packet)
  if (method !== 'ipip') return toPort(ip(packet, service, expected), kind, port)
  ip(packet, server, {
    source: DIRECTOR.back[server],
    destination: serverAddressOf(way),
    hops,
    trafficClass: expected.trafficClass,
    protocol: service === 'v4' ? 4 : 41,
  }).headerChecksumIsValid()
  return toPort(ip(packet.inner(), service, expected), kind, port)
}

const toPort = (packet: PacketExpectation, kind: Kind, destinationPort: number): PacketExpectation =>
  kind === 'echo' ? packet.udp({ destinationPort }) : packet.tcp({ destinationPort })

interface IpExpectation {
  readonly source?: string
  readonly destination?: string
  readonly hops?: number
  readonly trafficClass?: number
  readonly protocol?: number
  readonly totalBytes?: number
  readonly identification?: number
  readonly dontFragment?: boolean
  readonly flowLabel?: number
}

/** The same promises of either family. */
function ip(
  packet: PacketExpectation,
  family: Family,
  { hops, ...wanted }: IpExpectation,
): PacketExpectation {
  if (family === 'v4') return packet.ipv4(hops === undefined ? wanted : { ...wanted, ttl: hops })
  return packet.ipv6(hops === undefined ? wanted : { ...wanted, hopLimit: hops })
}

const isIpv4 = (packet: Uint8Array): boolean => packet[0]! >>> 4 === 4

const hopsOf = (packet: Uint8Array): number =>
  isIpv4(packet) ? new Ipv4View(packet, 0).ttl : new Ipv6View(packet, 0).hopLimit

/** The fields that no forwarding method may change. */
function copied(packet: Uint8Array): IpExpectation & { trafficClass: number } {
  if (isIpv4(packet)) {
    const { trafficClass, identification, dontFragment, totalBytes } = new Ipv4View(packet, 0)
    return { trafficClass, identification, dontFragment, totalBytes }
  }
  const { trafficClass, flowLabel } = new Ipv6View(packet, 0)
  return { trafficClass, flowLabel, totalBytes: packet.length }
}

/** The stations of a frame from one host to another on a net. */
async function link(lab: Lab, from: Host, to: Host, device: 'front' | 'back') {
  const [source, destination] = await Promise.all(
    [from, to].map(async (host) => {
      const { stdout } = await lab.exec(host, ['cat', `/sys/class/net/${device}/address`])
      return stdout.trim()
    }),
  )
  return { source, destination }
}
