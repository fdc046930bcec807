/** What a persistence engine is: it binds a client by what its packets say, beside where they come from. */

import type { Packet } from '../wire/packet.ts'

export interface PersistenceEngine {
  /** What the packet is bound by, at most {@link ENGINE_DATA_MAX_CHARS} long; null when it does not say. */
  read(packet: Packet): string | null
}

export const ENGINE_DATA_MAX_CHARS = 255
