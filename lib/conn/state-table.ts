/** What the protocols' states have in common: a packet's direction, and transition tables written as aligned text. */

/** The packet's direction; `inputOnly` is a client's packet while no reply has been seen, as with direct routing. */
export const DIRECTION = { input: 0, output: 1, inputOnly: 2 } as const
export type Direction = (typeof DIRECTION)[keyof typeof DIRECTION]

/** In the place of the next state: the packet says nothing, so that state and timeout stay as they are. */
export const UNCHANGED = -1

/** By direction and event, a line of abbreviations: what each present state, in its column, becomes. */
export type StateTable<Event extends string> = Readonly<
  Record<keyof typeof DIRECTION, Readonly<Record<Event, string>>>
>

/**
 * The table as one flat array `[direction][event][state]` of next states, all by number.
 * @param abbreviations of the states, in the order of their numbers, with blanks between
 */
export function compileStateTable<Event extends string>(
  abbreviations: string,
  events: readonly Event[],
  table: StateTable<Event>,
): Uint8Array {
  const numbers = new Map(abbreviations.split(' ').map((name, number) => [name, number]))
  const directions = Object.keys(DIRECTION) as (keyof typeof DIRECTION)[]
  return Uint8Array.from(
    directions.flatMap((direction) =>
      events.flatMap((event) =>
        table[direction][event]
          .trim()
          .split(' ')
          .map((name) => numbers.get(name) as number),
      ),
    ),
  )
}
