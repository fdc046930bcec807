/** Every knob of IPVS's: the director's own, and beside them those that have no effect here but are kept all the same. */

import {
  canonicalValue,
  initialIdleKnobs,
  isActing,
  KNOB_NAMES,
  type KnobValue,
} from '../../control/knobs.ts'
import type { KnobChanges, Knobs } from '../../control/schema.ts'
import type { Knobs as LibKnobs } from '../../lib/director/knobs.ts'

export class AllKnobs {
  readonly #acting: LibKnobs
  readonly #idle: Record<string, KnobValue>

  /** `acting` is what the director reads, and is changed in place; `pages` is the machine's memory. */
  constructor(acting: LibKnobs, { pages }: { pages: number }) {
    this.#acting = acting
    this.#idle = initialIdleKnobs({ pages })
  }

  read(): Knobs {
    const all: Knobs = { ...this.#acting, ...this.#idle }
    return Object.fromEntries(KNOB_NAMES.map((name) => [name, all[name] as KnobValue]))
  }

  /** Changes that have been validated; returns what is now in force. */
  change(changes: KnobChanges): Knobs {
    for (const [name, value] of Object.entries(changes)) {
      if (isActing(name)) this.#acting[name] = value as number
      else this.#idle[name] = canonicalValue(name, value)
    }
    return this.read()
  }
}
