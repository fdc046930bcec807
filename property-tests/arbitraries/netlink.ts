import * as fc from 'fast-check'

/** One attribute in bytes: host-order header, value, padding to four. */
function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((4 + value.length + 3) & ~3)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, 4 + value.length, true)
  view.setUint16(2, type, true)
  bytes.set(value, 4)
  return bytes
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setInt32(0, value)
  return bytes
}

/** A run of attributes; the last one's padding may be missing, as netlink permits. */
export const attributes = fc
  .tuple(
    fc.array(fc.record({ type: fc.integer({ min: 1, max: 9 }), value: fc.uint8Array({ maxLength: 9 }) }), {
      minLength: 1,
    }),
    fc.boolean(),
  )
  .map(([values, isPadded]) => {
    const bytes = Buffer.concat(values.map(({ type, value }) => attribute(type, value)))
    const lastPadding = -(values.at(-1)?.value.length ?? 0) & 3
    return { bytes: new Uint8Array(isPadded ? bytes : bytes.subarray(0, bytes.length - lastPadding)), values }
  })

/** A waiting packet's message as the kernel builds it, attributes in any order but the payload last. */
export const packetMessage = fc
  .record({
    id: fc.integer(),
    hook: fc.integer({ min: 0, max: 4 }),
    mark: fc.integer(),
    inDevice: fc.integer({ min: 0, max: 0x7fff_ffff }),
    payload: fc.uint8Array({ minLength: 1, maxLength: 60 }),
    order: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
  })
  .map(({ order, ...wanted }) => {
    const header = new Uint8Array(7)
    header.set(word(wanted.id))
    header[6] = wanted.hook
    const others = [
      attribute(1, header),
      attribute(3, word(wanted.mark)),
      attribute(5, word(wanted.inDevice)),
      attribute(9, new Uint8Array(12)),
    ]
    const body = Buffer.concat([
      ...order.map((index) => others[index] as Uint8Array),
      attribute(10, wanted.payload),
    ])
    // The payload comes last, without padding.
    const length = 20 + body.length - (-wanted.payload.length & 3)
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, length, true)
    view.setUint16(4, 0x0300, true)
    bytes.set(body.subarray(0, length - 20), 20)
    return { bytes, wanted }
  })

/** A valid message but for one octet. */
export const spoiled = (valid: fc.Arbitrary<{ bytes: Uint8Array }>): fc.Arbitrary<Uint8Array> =>
  fc.tuple(valid, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([{ bytes }, where, octet]) => {
    const copy = bytes.slice()
    copy[where % copy.length] = octet
    return copy
  })
