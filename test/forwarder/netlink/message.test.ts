import { describe, expect, it } from 'vitest'
import {
  attributeEnd,
  attributeType,
  errorOf,
  findAttribute,
  MessageWriter,
  messageEnd,
  messageSequence,
  messageType,
  NLMSG_ERROR,
  readHostI32,
} from '../../../forwarder/netlink/message.ts'
import { hexOf, octets } from '../../support/hex.ts'

describe('messageEnd', () => {
  const message = octets('14000000 0300 0200 01000000 00000000 00000000')

  it('finds the end of a whole message', () => {
    expect(messageEnd(message, 0, message.length)).toBe(20)
  })

  it('refuses every truncated prefix', () => {
    for (let length = 0; length < message.length; length++) expect(messageEnd(message, 0, length)).toBe(-1)
  })

  it.each(['00000000', '0f000000', 'ffffffff'])(
    'refuses the length %s, which no message can have',
    (length) => {
      const spoiled = Uint8Array.from([...octets(length), ...message.subarray(4)])
      expect(messageEnd(spoiled, 0, spoiled.length)).toBe(-1)
    },
  )
})

describe('attributes', () => {
  // Two attributes: type 3 with five octets and three of padding, type 1 (its "nested" bit set) with two, unpadded.
  const bytes = octets('0900 0300 6161616161 000000  0600 0180 6262')

  it('are as long as their header says, padding not included', () => {
    expect(attributeEnd(bytes, 0, bytes.length)).toBe(9)
    expect(attributeEnd(bytes, 12, bytes.length)).toBe(18)
  })

  it('have a type without its flag bits', () => {
    expect(attributeType(bytes, 12)).toBe(1)
  })

  it('are found by type, the last without padding', () => {
    expect(hexOf(findAttribute(bytes, 0, bytes.length, 3) as Uint8Array)).toBe('6161616161')
    expect(hexOf(findAttribute(bytes, 0, bytes.length, 1) as Uint8Array)).toBe('6262')
    expect(findAttribute(bytes, 0, bytes.length, 2)).toBeNull()
  })

  it('are not found behind one that is malformed', () => {
    for (const length of ['0300', '0000', 'ffff']) {
      const spoiled = Uint8Array.from([...octets(length), ...bytes.subarray(2)])
      expect(findAttribute(spoiled, 0, spoiled.length, 1)).toBeNull()
    }
    expect(findAttribute(bytes, 0, bytes.length - 1, 1)).toBeNull()
  })
})

describe('errorOf', () => {
  // The kernel's answer to a verdict on an unknown packet, captured on Linux 6.18: ENOENT.
  const refusal = octets('34000000 0200 0000 00000000 052e0000 feffffff 20000000 0103 0100 00000000 00000000')

  it('gives the errno as a positive number', () => {
    expect(messageType(refusal, 0)).toBe(NLMSG_ERROR)
    expect(errorOf(refusal, 0)).toBe(2)
  })
})

describe('MessageWriter', () => {
  it('pads every attribute, and counts the padding in the message', () => {
    const message = new MessageWriter(0x1234, 5)
      .attribute(7, octets('616263 6465'))
      .attributeU32(8, -2)
      .finish(0x0a0b)
    expect(hexOf(message)).toBe(
      hexOf(octets('24000000 3412 0500 0b0a0000 00000000  0900 0700 6162636465 000000  0800 0800 fffffffe')),
    )
    expect(messageSequence(message, 0)).toBe(0x0a0b)
  })

  it('writes host order where asked to', () => {
    const message = new MessageWriter(1, 1).attributeHostU32(1, 0x11223344).finish(1)
    expect(readHostI32(message, 20)).toBe(0x11223344)
  })

  it('refuses a request of more than its buffer', () => {
    expect(() => new MessageWriter(1, 1).attribute(1, new Uint8Array(5000))).toThrow('more than 4096 bytes')
  })
})
