import { describe, expect, it } from 'vitest'
import { Outbox } from '../../../forwarder/egress/outbox.ts'
import { FakeSeam } from '../../support/fake-seam.ts'

function world() {
  const seam = new FakeSeam()
  const reported: number[] = []
  return { seam, reported, outbox: new Outbox(seam, 5, 16, (errno) => reported.push(errno)) }
}

const textsOf = (seam: FakeSeam) =>
  seam.sent.map(({ ranges }) => Buffer.from(ranges[0] as Uint8Array).toString())

describe('Outbox', () => {
  it('keeps packets until it is flushed, as copies, in order', () => {
    const { seam, reported, outbox } = world()
    const bytes = Buffer.from('..one..')
    expect(outbox.add(bytes, 2, 5)).toBe(0)
    bytes.fill('x')
    expect(outbox.add(Buffer.from('two'), 0, 3)).toBe(16)
    expect(seam.sent).toEqual([])
    outbox.flush()
    outbox.flush()
    expect(textsOf(seam)).toEqual(['one', 'two'])
    expect(reported).toEqual([0, 0])
  })

  it('flushes by itself before a 65th packet, and before its area overflows', () => {
    const { seam, outbox } = world()
    for (let n = 0; n < 65; n++) outbox.add(Buffer.from(String(n)), 0, String(n).length)
    expect(seam.sent).toHaveLength(64)
    outbox.flush()
    const large = Buffer.alloc(65_535, 'x')
    for (let n = 0; n < 5; n++) outbox.add(large, 0, large.length)
    expect(seam.sent).toHaveLength(65 + 4)
  })

  it('reports on each packet what became of it', () => {
    const { seam, reported, outbox } = world()
    seam.sendErrnos.push(0, 90, 0)
    for (const text of ['a', 'b', 'c']) outbox.add(Buffer.from(text), 0, 1)
    outbox.flush()
    expect(reported).toEqual([0, 90, 0])
    expect(textsOf(seam)).toEqual(['a', 'c'])
  })
})
