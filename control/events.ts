/** Server-sent events, read. */

/** Longest event, in characters: none of the API's comes near it. */
const EVENT_LIMIT = 1024 * 1024

/**
 * The data of each event in a stream. Names and ids are left out, since the API's data has them too; comments are
 * skipped, and so is an event that the stream's end has cut off.
 */
export async function* eventsOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pending = ''
  for await (const chunk of input) {
    pending += decoder.decode(chunk, { stream: true })
    const events = pending.split('\n\n')
    pending = events.pop() as string
    if (pending.length > EVENT_LIMIT) throw new Error(`an event is longer than ${EVENT_LIMIT} characters`)
    for (const event of events) {
      const data = event.split('\n').filter((line) => line.startsWith('data:'))
      if (data.length > 0) yield data.map((line) => line.slice('data:'.length).trimStart()).join('\n')
    }
  }
}
