/** Every packet recorded from Linux 6.1 IPVS, read and summed: an independent writer's packets against our reader. */

import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readU16 } from '../../lib/bytes/octets.ts'
import { printPacket } from '../../lib/wire/print.ts'
import {
  checksumOffset,
  computeTransportChecksum,
  ipv4ChecksumIsValid,
  transportChecksumIsValid,
} from '../../lib/wire/transport-checksum.ts'
import { fromHex, readPacket } from '../support/packets.ts'

interface Recording {
  readonly cases: readonly {
    readonly name: string
    readonly steps: readonly { readonly hex: string; readonly out: readonly { readonly hex: string }[] }[]
  }[]
}

const recording = JSON.parse(
  readFileSync(new URL('../vectors/packets-golden.json', import.meta.url), 'utf8'),
) as Recording

const packets = recording.cases.flatMap(({ name, steps }) =>
  steps.flatMap(({ hex, out }) => [hex, ...out.map((each) => each.hex)]).map((hex) => ({ name, hex })),
)

/** What was sent with a wrong checksum on purpose, as printed; and GUE without a checksum over IPv6. */
const WITH_WRONG_CHECKSUM = [
  /^10\.9\.0\.1:3005 > (10\.0\.0\.1:53|192\.168\.1\.1:5300) udp len 3$/,
  /^10\.7\.7\.7 > 10\.0\.0\.1 icmp fragmentation needed mtu 1400 .*:3060 tcp seq 5 cut short\)$/,
  /^\[fd01::254\]:\d+ > \[fd01::3\]:6080 udp len (64|44)$/,
]

describe('the packets recorded from the kernel', () => {
  it('are all sound, with valid checksums but where they were spoiled on purpose', () => {
    expect(packets).toHaveLength(282)
    const wrong: string[] = []
    for (const { name, hex } of packets) {
      const packet = readPacket(fromHex(hex))
      expect(packet.totalBytes, name).toBe(hex.length / 2)
      expect(ipv4ChecksumIsValid(packet), name).toBe(true)
      if (!transportChecksumIsValid(packet)) wrong.push(printPacket(packet.bytes))
    }
    expect(wrong.filter((line) => !WITH_WRONG_CHECKSUM.some((known) => known.test(line)))).toEqual([])
    expect(wrong).toHaveLength(5)
  })

  it('carry the checksums that we compute', () => {
    let compared = 0
    for (const { name, hex } of packets) {
      const packet = readPacket(fromHex(hex))
      const offset = checksumOffset(packet.protocol)
      if (offset < 0 || packet.isFragment || !transportChecksumIsValid(packet)) continue
      const sent = readU16(packet.bytes, packet.transportStart + offset)
      if (sent === 0 && packet.protocol === 17) continue
      expect(computeTransportChecksum(packet), name).toBe(sent)
      compared++
    }
    expect(compared).toBeGreaterThan(150)
  })
})
