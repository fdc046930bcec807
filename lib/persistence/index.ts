/** Every persistence engine there is, by the name ipvsadm knows it by. */

import type { PersistenceEngine } from './engine.ts'
import { sip } from './sip.ts'

export const ENGINES = { sip } satisfies Record<string, PersistenceEngine>
