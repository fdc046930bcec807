import * as fc from 'fast-check'
import { describe, it } from 'vitest'
import { findAttribute, messageEnd } from '../forwarder/netlink/message.ts'
import {
  emptyPacketMessage,
  readPacketMessage,
  VERDICT_HEADROOM_BYTES,
  writeReplacement,
  writeVerdict,
} from '../forwarder/netlink/nfqueue.ts'
import { readLink, readNeighbour, readRoute } from '../forwarder/netlink/rtnetlink.ts'
import { attributes, packetMessage, spoiled } from './arbitraries/netlink.ts'

const GARBAGE = 0xa5

describe('netlink', () => {
  it('reads from a packet message what was written into it', () => {
    fc.assert(
      fc.property(packetMessage, ({ bytes, wanted }) => {
        const packet = emptyPacketMessage(bytes)
        if (!readPacketMessage(packet, 0, bytes.length)) return false
        const { id, mark, inDevice, hook, payload } = wanted
        const read = bytes.subarray(packet.start, packet.end)
        return (
          packet.id === id &&
          packet.mark === mark &&
          packet.inDevice === inDevice &&
          packet.hook === hook &&
          Buffer.compare(read, payload) === 0
        )
      }),
    )
  })

  it('never sees a packet outside its message, whatever the message says', () => {
    fc.assert(
      fc.property(spoiled(packetMessage), fc.nat({ max: 40 }), (message, offset) => {
        const bytes = new Uint8Array(offset + message.length + 40).fill(GARBAGE)
        bytes.set(message, offset)
        const packet = emptyPacketMessage(bytes)
        const end = messageEnd(bytes, offset, offset + message.length)
        if (end < 0 || !readPacketMessage(packet, offset, end)) return true
        return (
          packet.start >= offset + 20 && packet.start <= packet.end && packet.end <= offset + message.length
        )
      }),
    )
  })

  it('never throws on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readPacketMessage(emptyPacketMessage(bytes), 0, bytes.length)
        for (const read of [readRoute, readNeighbour, readLink]) read(bytes)
        findAttribute(bytes, 0, bytes.length, 1)
      }),
    )
  })

  it('finds the first attribute of every type, padded or not', () => {
    fc.assert(
      fc.property(attributes, ({ bytes, values }) =>
        values.every(({ type }) => {
          const first = values.find((each) => each.type === type)
          const found = findAttribute(bytes, 0, bytes.length, type)
          return found !== null && Buffer.compare(found, first?.value ?? new Uint8Array(0)) === 0
        }),
      ),
    )
  })

  it('writes a verdict around a packet without touching the packet, or anything else', () => {
    const marking = fc.record({ setsMark: fc.boolean(), mark: fc.integer() })
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.integer(),
        marking,
        (packet, id, mark) => {
          const start = VERDICT_HEADROOM_BYTES + 8
          const end = start + packet.length
          const bytes = new Uint8Array(end + 8).fill(GARBAGE)
          bytes.set(packet, start)
          const at = writeReplacement(bytes, start, end, 7, id, mark)
          const outside = [...bytes.subarray(0, at), ...bytes.subarray(end)]
          const bare = new Uint8Array(48)
          const bareBytes = writeVerdict(bare, 0, { queue: 7, verdict: 1 }, id, mark)
          return (
            at >= start - VERDICT_HEADROOM_BYTES &&
            messageEnd(bytes, at, bytes.length) === end &&
            Buffer.compare(bytes.subarray(start, end), packet) === 0 &&
            outside.every((octet) => octet === GARBAGE) &&
            // But for its length, it begins as the verdict without packet does.
            Buffer.compare(bytes.subarray(at + 4, at + bareBytes), bare.subarray(4, bareBytes)) === 0
          )
        },
      ),
    )
  })
})
