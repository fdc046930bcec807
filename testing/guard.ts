/**
 * What stands between a scheduler under test and the world: it counts what the scheduler reads, and stops it
 * where it changes what is not its own.
 */

import type { Destination } from '../lib/service/destination.ts'
import { formatEndpoint } from '../lib/service/key.ts'
import type { Flow, PoolChange, Preview, Scheduler } from '../lib/service/scheduler.ts'
import { BrokenPromise, expect } from './broken-promise.ts'

export class Guard {
  /** How often a place of the pool or a property of a destination was read. */
  reads = 0
  /** At so many reads the scheduler is stopped, be it in a loop without end. */
  readsMax = Number.POSITIVE_INFINITY
  /** Whether every pick is previewed first, and held to that. */
  previews = false
  readonly #disguises = new WeakMap<Destination, Destination>()
  readonly #originals = new WeakMap<Destination, Destination>()

  /** The scheduler, seeing through this guard the destinations, pools and flows that it is given. */
  around(scheduler: Scheduler): Scheduler {
    return {
      pick: (flow, pool) => {
        const shown = shownFlow(flow)
        try {
          const preview = this.previews ? scheduler.preview?.(shown.flow, this.#shownPool(pool)) : undefined
          const picked = scheduler.pick(shown.flow, this.#shownPool(pool))
          if (preview !== undefined) expectForeseen(preview, picked)
          return this.#original(picked)
        } finally {
          shown.hide()
        }
      },
      poolChanged: (pool, change) =>
        scheduler.poolChanged?.(this.#shownPool(pool), this.#shownChange(change)),
      passTime: (nowMs) => scheduler.passTime?.(nowMs),
      flagsChanged: (flags) => scheduler.flagsChanged?.(flags),
    }
  }

  /** The destination that was picked, which must be one that the scheduler was shown. */
  #original(picked: Destination | null): Destination | null {
    if (picked === null) return null
    const original = this.#originals.get(picked)
    expect(original !== undefined, () => `picked ${picked}, expected a destination of the pool, or null`)
    return original
  }

  #shownPool(pool: readonly Destination[]): readonly Destination[] {
    return new Proxy(
      pool.map((each) => this.#disguise(each)),
      {
        get: (target, key) => {
          if (typeof key === 'string' && /^\d/.test(key)) this.#count()
          return Reflect.get(target, key)
        },
        ...untouchable('the pool'),
      },
    )
  }

  #shownChange(change: PoolChange): PoolChange {
    return change.kind === 'attached'
      ? change
      : { ...change, destination: this.#disguise(change.destination) }
  }

  /** Always the same for the same destination: schedulers compare and remember them. */
  #disguise(destination: Destination): Destination {
    const known = this.#disguises.get(destination)
    if (known !== undefined) return known
    const disguise = new Proxy(destination, {
      get: (target, key) => {
        this.#count()
        return Reflect.get(target, key)
      },
      ...untouchable(`the destination ${formatEndpoint(destination)}`),
    })
    this.#disguises.set(destination, disguise)
    this.#originals.set(disguise, destination)
    return disguise
  }

  #count(): void {
    this.reads++
    expect(this.reads <= this.readsMax, () => `still reads on after ${this.readsMax} reads of destinations`)
  }
}

/** Where chance decides, a preview names nobody but gives everybody's chance. */
function expectForeseen({ picked: foreseen, candidates }: Preview, picked: Destination | null): void {
  const nameOf = (each: Destination | null) => (each === null ? 'nobody' : formatEndpoint(each))
  const isLikely = candidates.some(({ destination, chance }) => destination === picked && chance > 0)
  expect(
    foreseen === picked || (foreseen === null && isLikely),
    () => `picked ${nameOf(picked)}, when its preview had said ${nameOf(foreseen)}`,
  )
}

/** The flow as a scheduler may use it: to read, and until `hide`. */
function shownFlow(flow: Flow): { readonly flow: Flow; hide(): void } {
  let isShown = true
  return {
    flow: new Proxy(flow, {
      get(target, key) {
        expect(isShown, () => `read flow.${String(key)} after its pick: the director reuses the object`)
        return Reflect.get(target, key)
      },
      ...untouchable('the flow'),
    }),
    hide() {
      isShown = false
    },
  }
}

/** Traps for every way to change an object. */
function untouchable<Target extends object>(what: string): ProxyHandler<Target> {
  const refuse = (_target: Target, key: string | symbol): never => {
    throw new BrokenPromise(`changed '${String(key)}' of ${what}, which is not its own`)
  }
  return { set: refuse, defineProperty: refuse, deleteProperty: refuse }
}
