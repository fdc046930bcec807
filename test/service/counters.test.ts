import { describe, expect, it } from 'vitest'
import { Counters, type Counts } from '../../lib/service/counters.ts'

const NOTHING: Counts = { connections: 0, inPackets: 0, outPackets: 0, inBytes: 0, outBytes: 0 }

function countersWith(packets: number, packetBytes: number): Counters {
  const counters = new Counters()
  for (let packet = 0; packet < packets; packet++) counters.countIn(packetBytes)
  return counters
}

/** What `pick` of the rates shows after each of the estimations. */
function ratesOver(counters: Counters, estimations: number, pick: (rates: Counts) => number): number[] {
  return Array.from({ length: estimations }, () => {
    counters.estimate()
    return pick(counters.rates())
  })
}

describe('counters', () => {
  it('count connections, packets and their bytes, by direction', () => {
    const counters = new Counters()
    counters.countConnection()
    counters.countIn(60)
    counters.countIn(1500)
    counters.countOut(40)
    const counts = { connections: 1, inPackets: 2, outPackets: 1, inBytes: 1560, outBytes: 40 }
    expect(counters.current()).toEqual(counts)
  })

  it('show what the last snapshot saw: nothing before the first', () => {
    const counters = countersWith(1, 100)
    expect(counters.shown()).toEqual(NOTHING)
    counters.estimate()
    counters.countIn(100)
    expect(counters.shown()).toEqual({ ...NOTHING, inPackets: 1, inBytes: 100 })
    expect(counters.current()).toEqual({ ...NOTHING, inPackets: 2, inBytes: 200 })
  })

  it('start again from the snapshot when zeroed, not from the moment', () => {
    const counters = countersWith(3, 100)
    counters.estimate()
    counters.countIn(100)
    counters.zero()
    expect(counters.shown()).toEqual(NOTHING)
    expect(counters.rates()).toEqual(NOTHING)
    counters.estimate()
    expect(counters.shown()).toEqual({ ...NOTHING, inPackets: 1, inBytes: 100 })
    expect(counters.current()).toEqual({ ...NOTHING, inPackets: 4, inBytes: 400 })
  })

  it('stay exact far beyond 32 bits', () => {
    const counters = new Counters()
    for (let packet = 0; packet < 100_000; packet++) counters.countOut(65_535)
    counters.estimate()
    expect(counters.shown().outBytes).toBe(6_553_500_000)
  })
})

describe('rates', () => {
  // 100 packets of 100 bytes in one interval, then silence: as kernel IPVS shows them.
  it('of packets fall as the kernel’s do: 12, 9, 7, 5, 4, …', () => {
    expect(ratesOver(countersWith(100, 100), 12, ({ inPackets }) => inPackets)).toEqual([
      12, 9, 7, 5, 4, 3, 2, 2, 1, 1, 1, 1,
    ])
  })

  it('of bytes fall as the kernel’s do: 1250, 937, 703, 527, …', () => {
    expect(ratesOver(countersWith(100, 100), 12, ({ inBytes }) => inBytes)).toEqual([
      1250, 937, 703, 527, 395, 297, 222, 167, 125, 94, 70, 53,
    ])
  })

  it('come to the true rate when the load is even, and to nothing when it ends', () => {
    const counters = new Counters()
    for (let period = 0; period < 50; period++) {
      for (let packet = 0; packet < 200; packet++) counters.countOut(1000)
      counters.estimate()
    }
    expect(counters.rates()).toMatchObject({ outPackets: 100, outBytes: 100_000 })
    for (let period = 0; period < 100; period++) counters.estimate()
    expect(counters.rates()).toEqual(NOTHING)
  })

  it('are taken of connections and both directions alike', () => {
    const counters = countersWith(100, 100)
    for (let time = 0; time < 100; time++) {
      counters.countConnection()
      counters.countOut(100)
    }
    counters.estimate()
    expect(counters.rates()).toEqual({
      connections: 12,
      inPackets: 12,
      outPackets: 12,
      inBytes: 1250,
      outBytes: 1250,
    })
  })
})
