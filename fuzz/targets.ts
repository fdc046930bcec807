/** Everything that is fuzzed, by the name it is asked for by. */

import { director } from './director/target.ts'
import { ftp } from './ftp.ts'
import { reassembling } from './reassembling.ts'
import type { Target } from './target.ts'
import { wire } from './wire.ts'

/** What a target's cases are is its own business: seen from here they are anything that is JSON. */
export type AnyTarget = Target<unknown>

const any = <Case>(target: Target<Case>): AnyTarget => target as unknown as AnyTarget

export const TARGETS: Readonly<Record<string, AnyTarget>> = {
  director: any(director),
  wire: any(wire),
  reassembling: any(reassembling),
  ftp: any(ftp),
}
