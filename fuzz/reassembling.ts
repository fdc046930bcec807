/** Reassembly as a target: fragments of real datagrams, spoiled, in any order, over any time. */

import fc from 'fast-check'
import { fragment } from '../lib/encode/fragment.ts'
import { Ipv4View, ipv4Flaw } from '../lib/wire/ipv4.ts'
import { ipv6Flaw } from '../lib/wire/ipv6.ts'
import { Packet } from '../lib/wire/packet.ts'
import { printPacket } from '../lib/wire/print.ts'
import { type Reassembled, Reassembly } from '../lib/wire/reassembly.ts'
import { fromHex, toHex } from '../test/support/packets.ts'
import { inPieces, PIECE_ORDERS } from './director/pieces.ts'
import { mutated, mutation } from './mutation.ts'
import { SEEDS } from './seeds.ts'
import { must, type Tally, type Target } from './target.ts'

interface Fragments {
  readonly datagramLimit: number
  readonly memoryLimitBytes: number
  readonly arrivals: readonly { readonly hex: string; readonly passMs: number }[]
}

/** What a datagram costs at least that is held: the bound on memory must know of it. */
const HEADROOM_BYTES = 60

export const reassembling: Target<Fragments> = {
  about: 'reassembly, and cutting again what it made',
  share: 1,
  cases: () =>
    fc
      .record({
        datagramLimit: fc.constantFrom(8, 1, 2),
        memoryLimitBytes: fc.constantFrom(20_000, 400, 2000),
        datagrams: fc.array(datagram(), { minLength: 1, maxLength: 4, size: 'max' }),
        order: fc.array(
          fc.record({ pick: fc.nat({ max: 40 }), passMs: fc.constantFrom(0, 0, 0, 10_000, 60_000) }),
          {
            maxLength: 30,
            size: 'max',
          },
        ),
      })
      .map(({ datagrams, order, ...limits }) => {
        const pieces = datagrams.flat()
        // First in any order, then as they were sent: so that some datagrams are whole in the end.
        const shuffled = order.map(({ pick, passMs }) => ({ hex: pieces[pick % pieces.length]!, passMs }))
        return { ...limits, arrivals: [...shuffled, ...pieces.map((hex) => ({ hex, passMs: 0 }))] }
      }),
  check: (fragments, tally) => {
    const [first, second] = [play(fragments, 0xa5, 40, tally), play(fragments, 0x5a, 0)]
    must(
      first === second,
      () => `what is put together does not depend on what lies around:\n${first}\n${second}`,
    )
  },
  describe: ({ arrivals, ...limits }) => [
    JSON.stringify(limits),
    ...arrivals.map(({ hex, passMs }) => `after ${passMs} ms: ${printPacket(fromHex(hex))}`),
  ],
}

/** A packet in pieces, some of which may be spoiled. */
const datagram = (): fc.Arbitrary<string[]> =>
  fc
    .record({
      seed: fc.constantFrom(...SEEDS),
      dataBytes: fc.constantFrom(8, 16, 24, 64),
      order: fc.constantFrom(...(Object.keys(PIECE_ORDERS) as (keyof typeof PIECE_ORDERS)[])),
      spoiled: fc.array(fc.tuple(fc.nat({ max: 11 }), mutation()), { maxLength: 2 }),
    })
    .map(({ seed, dataBytes, order, spoiled }) => {
      const pieces = [...inPieces(seed, dataBytes, order)]
      for (const [pick, change] of spoiled) {
        const at = pick % pieces.length
        pieces[at] = mutated(pieces[at]!, [change])
      }
      return pieces.map(toHex)
    })

function play(
  { arrivals, datagramLimit, memoryLimitBytes }: Fragments,
  garbage: number,
  behindBytes: number,
  tally?: Tally,
): string {
  const reassembly = new Reassembly({ headroomBytes: HEADROOM_BYTES, datagramLimit, memoryLimitBytes })
  const packet = new Packet()
  const lines: string[] = []
  let nowMs = 0
  for (const { hex, passMs } of arrivals) {
    nowMs += passMs
    if (passMs > 0) reassembly.passTime(nowMs)
    const octets = fromHex(hex)
    const memory = new Uint8Array(octets.length + behindBytes).fill(garbage)
    memory.set(octets)
    const isFragment = packet.read(memory, 0, octets.length) === null && packet.isFragment
    const whole = isFragment ? reassembly.add(packet, nowMs) : null
    must(toHex(memory.subarray(0, octets.length)) === hex, 'a fragment is left as it came')
    must(
      reassembly.size <= datagramLimit,
      () => `${reassembly.size} datagrams wait, at most ${datagramLimit} may`,
    )
    must(
      reassembly.heldBytes <= memoryLimitBytes,
      () => `${reassembly.heldBytes} of ${memoryLimitBytes} octets held`,
    )
    if (whole !== null) {
      tally?.count('whole')
      expectWhole(whole)
      lines.push(toHex(whole.bytes.subarray(whole.start, whole.end)))
    }
  }
  reassembly.passTime(nowMs + 60_000)
  must(
    reassembly.size === 0 && reassembly.heldBytes === 0,
    () => `${reassembly.heldBytes} octets are held for ever`,
  )
  for (const [reason, count] of Object.entries(reassembly.counts)) if (count > 0) tally?.count(reason)
  return `${lines.join('\n')} ${JSON.stringify(reassembly.counts)}`
}

/** A datagram put together is a packet in one piece; cut again, its pieces make the same datagram. */
function expectWhole(whole: Reassembled): void {
  const { bytes, start, end, dataBytes, repeatedBytes, largestFragmentBytes } = whole
  const text = () => toHex(bytes.subarray(start, end))
  const isIpv4 = bytes[start]! >>> 4 === 4
  const flaw = isIpv4 ? ipv4Flaw(bytes, start, end) : ipv6Flaw(bytes, start, end)
  must(flaw === null, () => `a whole datagram is sound, not ${flaw?.reason}: ${text()}`)
  if (isIpv4) {
    const view = new Ipv4View(bytes, start)
    must(view.checksumIsValid, () => `its header checksum is right: ${text()}`)
    must(!view.moreFragments && view.fragmentOffset === 0, () => `it is no fragment: ${text()}`)
  }
  const sum = dataBytes.reduce((total, each) => total + each, repeatedBytes)
  must(sum === end - start, () => `it is ${end - start} octets long, its parts ${sum}: ${text()}`)
  must(start === HEADROOM_BYTES, () => `it has headroom of ${start} octets`)

  const again = new Reassembly({ headroomBytes: HEADROOM_BYTES })
  const piece = new Packet()
  let remade: string | null = null
  const options = {
    mtuBytes: largestFragmentBytes,
    identification: 7,
    out: new Uint8Array(66_000),
    as: whole,
  }
  const expected = text()
  fragment(bytes.slice(), start, end, options, (out, length) => {
    must(
      length <= largestFragmentBytes,
      () => `a piece of ${length}, the largest that came ${largestFragmentBytes}`,
    )
    const pieceFlaw = piece.read(out, 0, length)
    if (pieceFlaw !== null || !piece.isFragment) return
    const made = again.add(piece, 0)
    if (made !== null) remade = toHex(made.bytes.subarray(made.start, made.end))
  })
  must(remade === null || remade === expected, () => `cut again and put together it is the same: ${expected}`)
}
