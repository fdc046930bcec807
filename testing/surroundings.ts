/** What a scheduler must not ask: clocks and chance other than those it is handed. */

import { BrokenPromise } from './broken-promise.ts'

const TIME = 'flow.nowMs'
const CHANCE = 'the random that its factory is given'

/**
 * Global functions by the object they are found in, and what takes their place. Those a platform lacks are
 * left out.
 */
const FORBIDDEN = [
  { of: 'Math', call: 'random', instead: CHANCE },
  { of: 'crypto', call: 'getRandomValues', instead: CHANCE },
  { of: 'crypto', call: 'randomUUID', instead: CHANCE },
  { of: 'performance', call: 'now', instead: TIME },
  { of: 'process', call: 'hrtime', instead: TIME },
  { of: 'process', call: 'uptime', instead: TIME },
] as const

/** Runs `act` while every forbidden function throws, and puts them back, whatever happens. */
export function withoutSurroundings(act: () => void): void {
  const undo: (() => void)[] = []
  try {
    undo.push(replace(globalThis, 'Date', timelessDate()))
    for (const { of, call, instead } of FORBIDDEN) {
      const holder: unknown = Reflect.get(globalThis, of)
      if (typeof holder !== 'object' || holder === null || !(call in holder)) continue
      undo.push(replace(holder, call, () => refuse(`${of}.${call}()`, instead)))
    }
    act()
  } finally {
    for (const each of undo.reverse()) each()
  }
}

/** Dates of a given moment stay; the present one is not told. */
function timelessDate(): DateConstructor {
  return new Proxy(Date, {
    apply: () => refuse('Date()', TIME),
    construct: (target, args) =>
      args.length === 0 ? refuse('new Date()', TIME) : Reflect.construct(target, args),
    get: (target, key) => (key === 'now' ? () => refuse('Date.now()', TIME) : Reflect.get(target, key)),
  })
}

function refuse(called: string, instead: string): never {
  throw new BrokenPromise(`called ${called}, expected it to use ${instead}`)
}

/**
 * Returns what puts the old value back, or takes the new one away where there was none of the holder's own.
 */
function replace(holder: object, key: string, value: unknown): () => void {
  const before = Object.getOwnPropertyDescriptor(holder, key)
  Object.defineProperty(holder, key, { value, configurable: true, writable: true })
  return () => {
    if (before === undefined) Reflect.deleteProperty(holder, key)
    else Object.defineProperty(holder, key, before)
  }
}
