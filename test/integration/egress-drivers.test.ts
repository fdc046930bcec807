import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Hop } from '../../forwarder/egress/egress.ts'
import type { EgressOutcome, EgressTask } from '../support/egress-child.ts'
import { joinedNamespaces, type Namespaces, run, runIn } from '../support/namespaces.ts'

const DIRECTOR = 'ued-director'
const SERVER = 'ued-server'
const DEVICE = 'ued-d'
const SERVER_DEVICE = 'ued-s'

let namespaces: Namespaces
let device: { ifindex: number; address: string }
let serverDevice: { ifindex: number; address: string }

const linkOf = (namespace: string, name: string) =>
  JSON.parse(run('ip', '-n', namespace, '-j', 'link', 'show', name))[0] as {
    ifindex: number
    address: string
  }

beforeAll(() => {
  namespaces = joinedNamespaces(
    { namespace: DIRECTOR, device: DEVICE, addresses: ['10.92.0.1/24', 'fd92::1/64'] },
    { namespace: SERVER, device: SERVER_DEVICE, addresses: ['10.92.0.2/24', 'fd92::2/64'] },
  )
  device = linkOf(DIRECTOR, DEVICE)
  serverDevice = linkOf(SERVER, SERVER_DEVICE)
})

afterEach(() => namespaces.killChildren())
afterAll(() => namespaces?.remove())

/** Protocol 253 of RFC 3692's experiments: nobody else sends it, nobody answers. */
const EXPERIMENTAL = 253

/** An IPv4 packet as the kernel would leave it: identification and checksum are set. */
function ipv4(destination: string, payloadBytes: number, identification = 0x1234): Buffer {
  const packet = Buffer.alloc(20 + payloadBytes, 0x61)
  packet.writeUInt32BE(0x45000000 + packet.length, 0)
  packet.writeUInt16BE(identification, 4)
  packet.writeUInt16BE(0x4000, 6)
  packet.writeUInt32BE(0x40000000 + (EXPERIMENTAL << 16), 8)
  packet.set([10, 92, 0, 9], 12)
  packet.set(destination.split('.').map(Number), 16)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += packet.readUInt16BE(at)
  sum = (sum & 0xffff) + (sum >>> 16)
  packet.writeUInt16BE(~sum & 0xffff, 10)
  return packet
}

/** An IPv6 packet from fd92::9 to fd92::<last>. */
function ipv6(last: number, payloadBytes: number): Buffer {
  const packet = Buffer.alloc(40 + payloadBytes, 0x62)
  packet.fill(0, 0, 40)
  packet.writeUInt32BE(0x60000000, 0)
  packet.writeUInt16BE(payloadBytes, 4)
  packet.set([EXPERIMENTAL, 64, 0xfd, 0x92], 6)
  packet[23] = 9
  packet.set([0xfd, 0x92], 24)
  packet[39] = last
  return packet
}

const hopTo = (gateway: string): Hop => ({
  slot: 1,
  destination: gateway,
  gateway,
  deviceIndex: device.ifindex,
  deviceName: DEVICE,
})

/** Runs the task in the director; the frames of our protocol that the server's device saw meanwhile, in hex. */
async function send(task: EgressTask): Promise<{ frames: string[]; outcome: EgressOutcome }> {
  const capture = namespaces.startIn(SERVER, 'capture-child.js', String(serverDevice.ifindex))
  expect(await capture.next()).toBe('ready')
  const sender = namespaces.startIn(DIRECTOR, 'egress-child.js', JSON.stringify(task))
  const outcome = (await sender.next()) as EgressOutcome
  await sender.finish()
  const all = ((await capture.finish())[0] as string[]).map((hex) => Buffer.from(hex, 'hex'))
  const ours = all.filter((frame) => {
    const etherType = frame.readUInt16BE(12)
    return etherType === 0x0800
      ? frame[23] === EXPERIMENTAL
      : etherType === 0x86dd && frame[20] === EXPERIMENTAL
  })
  return { frames: ours.map((frame) => frame.toString('hex')), outcome }
}

/** The frame that must arrive: to the server's address, from the director's, the packet as it was given. */
function frameOf(packet: Buffer): string {
  const etherType = packet[0] === 0x45 ? '0800' : '86dd'
  return `${serverDevice.address}${device.address}`.replaceAll(':', '') + etherType + packet.toString('hex')
}

const knowNeighbour = (address: string) => {
  const entry = [address, 'lladdr', serverDevice.address, 'dev', DEVICE, 'nud', 'reachable']
  return runIn(DIRECTOR, 'ip', 'neighbour', 'replace', ...entry)
}

const forgetNeighbours = () => runIn(DIRECTOR, 'ip', 'neighbour', 'flush', 'dev', DEVICE)

describe.each(['frame', 'cap'] as const)('the %s driver', (driver) => {
  it.each([
    { family: 'IPv4', gateway: '10.92.0.2', packet: () => ipv4('198.51.100.7', 100) },
    { family: 'IPv6', gateway: 'fd92::2', packet: () => ipv6(0x77, 101) },
  ])('delivers an $family packet untouched to a neighbour not yet resolved', async ({ gateway, packet }) => {
    forgetNeighbours()
    const { frames, outcome } = await send({
      driver,
      hop: hopTo(gateway),
      packets: [packet().toString('hex')],
      forMs: 300,
    })
    expect(frames).toEqual([frameOf(packet())])
    expect(outcome).toMatchObject({ returned: [true], counters: { sent: 1, noNeighbour: 0, failed: 0 } })
  })

  it('delivers every one of many packets', async () => {
    knowNeighbour('10.92.0.2')
    const packets = Array.from({ length: 300 }, (_, index) => ipv4('198.51.100.7', 8, index + 1))
    const { frames, outcome } = await send({
      driver,
      hop: hopTo('10.92.0.2'),
      packets: packets.map((packet) => packet.toString('hex')),
      forMs: 200,
    })
    // In whichever order: a sender that moves to another CPU overtakes itself in the receiver's backlog.
    expect(frames.toSorted()).toEqual(packets.map(frameOf).toSorted())
    expect(outcome.counters.sent).toBe(300)
  })

  it('counts a packet longer than the device takes, and sends the next', async () => {
    const packets = [ipv4('198.51.100.7', 1481), ipv4('198.51.100.7', 1480)]
    const { frames, outcome } = await send({
      driver,
      hop: hopTo('10.92.0.2'),
      packets: packets.map((packet) => packet.toString('hex')),
      forMs: 200,
    })
    expect(frames).toEqual([frameOf(packets[1] as Buffer)])
    expect(outcome.counters).toMatchObject({ sent: 1, tooLong: 1, failed: 0 })
  })

  it('gives up a packet whose neighbour never answers', async () => {
    const { frames, outcome } = await send({
      driver,
      hop: hopTo('10.92.0.77'),
      packets: [ipv4('198.51.100.7', 8).toString('hex')],
      forMs: 3300,
    })
    expect(frames).toEqual([])
    expect(outcome.counters).toMatchObject({ sent: 0, noNeighbour: 1 })
  })
})

describe('the raw sink', () => {
  const sink = (packets: Buffer[], options = {}) =>
    send({ driver: 'raw', options, packets: packets.map((packet) => packet.toString('hex')), forMs: 200 })

  it('delivers IPv4 and IPv6 packets as they were given', async () => {
    const packets = [ipv4('10.92.0.2', 100), ipv6(2, 101), ipv4('10.92.0.2', 33)]
    const { frames, outcome } = await sink(packets)
    expect(frames.toSorted()).toEqual(packets.map(frameOf).toSorted())
    expect(outcome.counters).toEqual({ sent: 3, tooLong: 0, noRoute: 0, congested: 0, failed: 0 })
  })

  it('counts by reason what cannot leave', async () => {
    const noIp = Buffer.from('0102030405', 'hex')
    const tooShort = ipv4('10.92.0.2', 0).subarray(0, 19)
    const packets = [ipv4('10.92.0.2', 1481), ipv6(2, 1461), ipv4('203.0.113.1', 8), noIp, tooShort]
    const { frames, outcome } = await sink(packets)
    expect(frames).toEqual([])
    expect(outcome.returned).toEqual([true, true, true, false, false])
    expect(outcome.counters).toEqual({ sent: 0, tooLong: 2, noRoute: 1, congested: 0, failed: 2 })
  })

  it('marks its packets, by which routing may send them elsewhere', async () => {
    const packet = ipv4('203.0.113.1', 8)
    runIn(DIRECTOR, 'ip', 'rule', 'add', 'fwmark', '0x80000001', 'lookup', '77')
    runIn(DIRECTOR, 'ip', 'route', 'add', 'default', 'via', '10.92.0.2', 'table', '77')
    expect((await sink([packet], { mark: 0x80000001 })).frames).toEqual([frameOf(packet)])
    expect((await sink([packet])).frames).toEqual([])
  })

  it('sends through the given device only', async () => {
    const packet = ipv4('10.92.0.2', 8)
    expect((await sink([packet], { deviceIndex: device.ifindex })).frames).toEqual([frameOf(packet)])
    const elsewhere = await sink([packet], { deviceIndex: 1 })
    expect(elsewhere.frames).toEqual([])
  })
})
