import { describe, expect, it } from 'vitest'
import { ENOBUFS } from '../../../forwarder/native/constants.ts'
import { NetlinkQueue } from '../../../forwarder/queue/netlink-queue.ts'
import {
  HEADROOM_BYTES,
  type PacketHandler,
  type QueuedPacket,
  type QueueSettings,
  type QueueVerdict,
} from '../../../forwarder/queue/packet-queue.ts'
import { FakeSeam } from '../../support/fake-seam.ts'
import { hexOf, octets } from '../../support/hex.ts'

const SETTINGS: QueueSettings = { number: 300, gso: false, copyBytes: 0xffff, lengthPackets: 4096 }

const verdict = (changes: Partial<QueueVerdict> = {}): QueueVerdict => ({
  kind: 'accept',
  bytes: new Uint8Array(0),
  start: 0,
  end: 0,
  setsMark: false,
  mark: 0,
  ...changes,
})

/** A waiting packet as the kernel sends it: id, hook 0, a payload of the given octets. */
function waiting(id: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(36 + payload.length)
  message.set(octets('0000000000030000000000000000000000 00 012c 0b000100 00000000 0800 00 00 0000 0a00'))
  const view = new DataView(message.buffer)
  view.setUint32(0, message.length, true)
  view.setUint32(24, id)
  view.setUint16(32, 4 + payload.length, true)
  message.set(payload, 36)
  return message
}

const payload = (id: number, length = 5) => new Uint8Array(length).fill(id)

function open(handler: PacketHandler, settings: Partial<QueueSettings> = {}, seam = new FakeSeam()) {
  const queue = new NetlinkQueue(seam, { ...SETTINGS, ...settings }, handler)
  seam.sent.length = 0
  return { seam, queue }
}

/** What a verdict message says. */
function parse(message: Uint8Array) {
  const view = new DataView(message.buffer, message.byteOffset)
  const length = view.getUint32(0, true)
  const replaced =
    hexOf(message.subarray(0, length)).match(/(?<=^.{64}(?:08000300.{8})?.{4}0a00).*/)?.[0] ?? null
  return { verdict: view.getUint32(24), id: view.getUint32(28), length, replaced }
}

const verdicts = (seam: FakeSeam) => seam.sent.map(({ ranges }) => ranges.map(parse))

describe('the netlink queue', () => {
  it('answers a batch in one send, in the order of the packets', () => {
    const answers = [verdict(), verdict({ kind: 'drop' }), verdict({ setsMark: true, mark: 7 }), verdict()]
    const { seam, queue } = open(
      (packet) => answers[(packet.bytes[packet.start] as number) - 1] as QueueVerdict,
    )
    for (const id of [1, 2, 3, 4]) seam.inbox.push(waiting(id, payload(id)))
    expect(queue.turn()).toBe(4)
    expect(verdicts(seam)).toEqual([
      [
        { verdict: 1, id: 1, length: 32, replaced: null },
        { verdict: 0, id: 2, length: 32, replaced: null },
        { verdict: 1, id: 3, length: 40, replaced: null },
        { verdict: 1, id: 4, length: 32, replaced: null },
      ],
    ])
    expect(queue.turn()).toBe(0)
    expect(queue.counters).toEqual({ received: 4, verdictErrors: 0, overruns: 0, malformed: 0 })
  })

  it('tells of the whole batch before the first packet is judged', () => {
    const seam = new FakeSeam()
    const events: string[] = []
    const first = ({ bytes, start }: QueuedPacket) => bytes[start] as number
    const handler: PacketHandler = (packet) => {
      events.push(`judge ${first(packet)}`)
      return verdict()
    }
    const queue = new NetlinkQueue(seam, SETTINGS, handler, {
      expect: (packet) => events.push(`expect ${first(packet)}`),
      fetch: () => events.push('fetch'),
    })
    for (const id of [1, 2]) seam.inbox.push(waiting(id, payload(id)))
    queue.turn()
    expect(events).toEqual(['expect 1', 'expect 2', 'fetch', 'judge 1', 'judge 2'])
  })

  it('answers at most 64 packets in a turn', () => {
    const { seam, queue } = open(() => verdict())
    for (let id = 1; id <= 70; id++) seam.inbox.push(waiting(id, payload(id)))
    expect([queue.turn(), queue.turn(), queue.turn()]).toEqual([64, 6, 0])
  })

  it.each([1, 2, 3, 4, 5])(
    'sends messages whose lengths are multiples of four around packets of %d octets',
    (length) => {
      const { seam, queue } = open((packet) => verdict({ ...packet, kind: 'replace', setsMark: false }))
      seam.inbox.push(waiting(1, payload(0x61, length)), waiting(2, payload(0x62, length)))
      queue.turn()
      const { ranges } = seam.sent[0] as { ranges: Uint8Array[] }
      expect(ranges.map((range) => range.length % 4)).toEqual([0, 0])
      expect(ranges.map(parse)).toEqual([
        { verdict: 1, id: 1, length: 36 + length, replaced: '61'.repeat(length) },
        { verdict: 1, id: 2, length: 36 + length, replaced: '62'.repeat(length) },
      ])
    },
  )

  it('leaves the whole headroom before a packet to the handler, in every slot', () => {
    const { seam, queue } = open((packet) => {
      const start = packet.start - HEADROOM_BYTES
      packet.bytes.fill(0xee, start, packet.start)
      return verdict({
        kind: 'replace',
        bytes: packet.bytes,
        start,
        end: packet.end,
        setsMark: true,
        mark: 1,
      })
    })
    for (const id of [1, 2, 3]) seam.inbox.push(waiting(id, payload(id)))
    queue.turn()
    expect(verdicts(seam)[0]?.map(({ id, replaced }) => ({ id, replaced }))).toEqual(
      [1, 2, 3].map((id) => ({ id, replaced: 'ee'.repeat(HEADROOM_BYTES) + `0${id}`.repeat(5) })),
    )
  })

  it('keeps the packet intact where its verdict carries none', () => {
    let seen: QueuedPacket | null = null
    const { seam, queue } = open((packet) => {
      seen = { ...packet }
      return verdict({ setsMark: true, mark: 1 })
    })
    seam.inbox.push(waiting(1, payload(0x61, 100)))
    queue.turn()
    const { bytes, start, end } = seen as unknown as QueuedPacket
    expect(hexOf(bytes.subarray(start, end))).toBe('61'.repeat(100))
  })

  it('takes a replacement from another area', () => {
    const other = octets('00 aabbcc 00')
    const { seam, queue } = open(() => verdict({ kind: 'replace', bytes: other, start: 1, end: 4 }))
    seam.inbox.push(waiting(1, payload(1)))
    queue.turn()
    expect(verdicts(seam)[0]?.[0]?.replaced).toBe('aabbcc')
  })

  it('drops the packet for a replacement that does not fit its slot, and says so', () => {
    const other = new Uint8Array(70_000)
    const { seam, queue } = open(() =>
      verdict({ kind: 'replace', bytes: other, start: 0, end: other.length }),
    )
    seam.inbox.push(waiting(1, payload(1)))
    expect(() => queue.turn()).toThrow('a replacing verdict of 70000 bytes')
    expect(verdicts(seam)[0]).toMatchObject([{ verdict: 0, id: 1 }])
  })

  it('splits a batch that is larger than the send buffer', () => {
    const seam = new FakeSeam()
    seam.sendBufferBytes = 4000
    const { queue } = open((packet) => verdict({ ...packet, kind: 'replace', setsMark: false }), {}, seam)
    for (const id of [1, 2, 3, 4, 5]) seam.inbox.push(waiting(id, payload(id, 1464)))
    queue.turn()
    expect(verdicts(seam).map((send) => send.map(({ id }) => id))).toEqual([[1, 2], [3, 4], [5]])
  })

  it('gives every verdict alone where the kernel refuses them together, and drops what it still refuses', () => {
    const { seam, queue } = open((packet) => verdict({ ...packet, kind: 'replace', setsMark: false }))
    for (const id of [1, 2, 3]) seam.inbox.push(waiting(id, payload(id)))
    seam.sendErrnos.push(ENOBUFS, 0, ENOBUFS)
    expect(queue.turn()).toBe(3)
    expect(verdicts(seam)).toMatchObject([
      [{ verdict: 1, id: 1, replaced: '0101010101' }],
      [{ verdict: 0, id: 2, length: 32 }],
      [{ verdict: 1, id: 3, replaced: '0303030303' }],
    ])
    expect(queue.counters.verdictErrors).toBe(1)
  })

  it('answers the whole batch, the packet dropped, before it lets out what a handler threw', () => {
    const { seam, queue } = open((packet) => {
      if (packet.bytes[packet.start] !== 3) throw new Error(`packet ${packet.bytes[packet.start]}`)
      return verdict()
    })
    for (const id of [1, 2, 3]) seam.inbox.push(waiting(id, payload(id)))
    expect(() => queue.turn()).toThrow('packet 1')
    expect(verdicts(seam)).toMatchObject([
      [
        { verdict: 0, id: 1 },
        { verdict: 0, id: 2 },
        { verdict: 1, id: 3 },
      ],
    ])
    expect(queue.turn()).toBe(0)
  })

  it('counts verdicts that the kernel refused, and goes on', () => {
    const { seam, queue } = open(() => verdict())
    seam.inbox.push(
      octets('34000000 0200 0000 00000000 052e0000 feffffff 20000000 0103 0100 00000000 00000000'),
    )
    // The refusal above is cut short of the 52 octets it claims; this one is whole.
    seam.inbox.push(
      octets('24000000 0200 0001 00000000 052e0000 feffffff 20000000 0103 0100 00000000 00000000'),
    )
    seam.inbox.push(waiting(1, payload(1)))
    expect(queue.turn()).toBe(1)
    expect(queue.counters).toEqual({ received: 1, verdictErrors: 1, overruns: 0, malformed: 1 })
  })

  it('counts an overrun, and goes on', () => {
    const { seam, queue } = open(() => verdict())
    seam.inbox.push(waiting(1, payload(1)))
    seam.receiveErrnos.push(ENOBUFS)
    expect([queue.turn(), queue.turn()]).toEqual([0, 1])
    expect(queue.counters.overruns).toBe(1)
  })

  it('drops a packet whose message is malformed behind its number, and ignores one without number', () => {
    const seenIds: number[] = []
    const { seam, queue } = open((packet) => {
      seenIds.push(packet.bytes[packet.start] as number)
      return verdict()
    })
    const spoiledPayload = waiting(1, payload(1))
    spoiledPayload[32] = 0xff
    const spoiledHeader = waiting(2, payload(2))
    spoiledHeader[20] = 3
    const tooLong = waiting(3, payload(3, 70_000))
    seam.inbox.push(spoiledPayload, spoiledHeader, tooLong, waiting(4, payload(4)))
    queue.turn()
    expect(seenIds).toEqual([4])
    expect(verdicts(seam)).toMatchObject([
      [
        { verdict: 0, id: 1 },
        { verdict: 1, id: 4 },
      ],
    ])
    expect(queue.counters).toMatchObject({ received: 1, malformed: 3 })
  })
})

describe('opening a netlink queue', () => {
  it('binds, then sets copy range, length and GSO, each by itself', () => {
    const seam = new FakeSeam()
    new NetlinkQueue(seam, { ...SETTINGS, gso: true, copyBytes: 128 }, () => verdict())
    const attributes = seam.sent.map(({ ranges }) => hexOf(ranges[0] as Uint8Array).slice(40))
    expect(attributes).toEqual([
      '0800010001000000',
      '090002000000008002000000',
      '0800030000001000',
      '08000500000000040800040000000004',
    ])
  })

  it('sends packets that came meanwhile through their hook once more', () => {
    const seam = new FakeSeam()
    seam.inbox.push(waiting(1, payload(1)), waiting(2, new Uint8Array(0)))
    new NetlinkQueue(seam, SETTINGS, () => verdict())
    const last = seam.sent.at(-1)?.ranges[0] as Uint8Array
    expect(hexOf(last)).toBe('200000000303010000000000000000000000012c0c0002000000000400000002')
  })

  it('names what the kernel refused, and leaves nothing open', () => {
    const seam = new FakeSeam()
    seam.answers.set(4, 95)
    expect(() => new NetlinkQueue(seam, { ...SETTINGS, gso: true }, () => verdict())).toThrow(
      'cannot ask for super-packets on queue 300: ENOTSUP',
    )
    expect(seam.closed).toEqual([99])
  })

  it.each([
    { change: { number: 65_536 }, message: 'queue number 65536 is not a whole number from 0 to 65535' },
    { change: { number: -1 }, message: 'queue number -1 is not' },
    { change: { copyBytes: 0 }, message: 'queue 300: a copy range of 0 bytes is not' },
    { change: { lengthPackets: 0.5 }, message: 'queue 300: a length of 0.5 packets is not' },
  ])('refuses $change', ({ change, message }) => {
    expect(() => new NetlinkQueue(new FakeSeam(), { ...SETTINGS, ...change }, () => verdict())).toThrow(
      message,
    )
  })
})
