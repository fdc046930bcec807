/** Tells whoever listens of each change of the configuration, once it is in force. */

import type { Change } from '../control/configuration.ts'

/** Changes made at once, and the revision that they led to. Called at once, and must not throw. */
export type ChangeListener = (revision: string, changes: readonly Change[]) => void

export class ChangeFeed {
  readonly #listeners = new Set<ChangeListener>()

  /** Returns how to stop listening. */
  listen(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(revision: string, changes: readonly Change[]): void {
    for (const listener of this.#listeners) listener(revision, changes)
  }
}
