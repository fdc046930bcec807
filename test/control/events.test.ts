import { describe, expect, it } from 'vitest'
import { eventsOf } from '../../control/events.ts'

/** The data of the events in a stream that comes in these pieces. */
async function dataOf(pieces: readonly Uint8Array[]): Promise<string[]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* pieces
  }
  const found: string[] = []
  for await (const data of eventsOf(stream())) found.push(data)
  return found
}

const STREAM =
  'event: a\nid: 1\ndata: {"text":"été"}\n\n:\n\ndata: one\ndata: two\n\nevent: empty\n\ndata: cut o'

describe('eventsOf', () => {
  it('reads the data of events, however the stream was cut into pieces', async () => {
    const bytes = new TextEncoder().encode(STREAM)
    const expected = ['{"text":"été"}', 'one\ntwo']
    expect(await dataOf([bytes])).toEqual(expected)
    for (let at = 1; at < bytes.length; at++) {
      expect(await dataOf([bytes.slice(0, at), bytes.slice(at)])).toEqual(expected)
    }
    expect(await dataOf(Array.from(bytes, (octet) => Uint8Array.of(octet)))).toEqual(expected)
  })

  it('reads nothing from nothing', async () => {
    expect(await dataOf([])).toEqual([])
  })

  it('gives up on an event without an end', async () => {
    const piece = new TextEncoder().encode(`data: ${'x'.repeat(300_000)}`)
    await expect(dataOf([piece, piece, piece, piece])).rejects.toThrow(
      'an event is longer than 1048576 characters',
    )
  })
})
