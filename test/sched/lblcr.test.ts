import { beforeEach, describe, expect, it } from 'vitest'
import { IpAddress } from '../../lib/bytes/address.ts'
import type { Destination } from '../../lib/service/destination.ts'
import type { Flow } from '../../lib/service/scheduler.ts'
import { PROTOCOL } from '../../lib/wire/protocol.ts'
import { Stage } from '../support/stage.ts'

const SERVICE = 'fwmark:1'
const DAY_MS = 86_400_000
const { w0: VIRTUAL } = new IpAddress(4, 0x0a00_0001)

let stage: Stage
let older: Destination
let newer: Destination
beforeEach(() => {
  stage = new Stage()
  stage.service(SERVICE, { scheduler: 'lblcr' })
  older = stage.destination(SERVICE, '192.168.1.1:80')
  newer = stage.destination(SERVICE, '192.168.1.2:80')
})

/** Whom a packet to the virtual address is led to. */
function choose(nowMs: number): Destination | null {
  const { scheduler, pool } = [...stage.director.services][0]!
  const address = { virtualW0: VIRTUAL, virtualW1: 0, virtualW2: 0, virtualW3: 0, virtualPort: 80 }
  const client = { clientW0: 1, clientW1: 0, clientW2: 0, clientW3: 0, clientPort: 3000 }
  const flow: Flow = { protocol: PROTOCOL.tcp, ...client, ...address, nowMs }
  return scheduler!.pick(flow, pool)
}

/** Both are kept for the address, the older one since the last change. */
function keepBoth(): void {
  expect(choose(0)).toBe(newer)
  newer.active = 3
  expect(choose(1000), 'the first is crowded, and the second idle').toBe(older)
  newer.active = 0
}

describe('lblcr', () => {
  it('keeps the set as it is for a day, and then drops the member that carries most', () => {
    keepBoth()
    older.inactive = 5
    expect(choose(1000 + DAY_MS), 'a day later: the set is not too old').toBe(newer)
    older.inactive = 0
    older.active = 1
    newer.inactive = 1
    expect(choose(1001 + DAY_MS)).toBe(newer)
    older.active = 0
    // Only the other is kept now, though the older one carries less.
    expect(choose(1002 + DAY_MS)).toBe(newer)
  })

  it('of a quiesced member and another, drops the other: the quiesced one carries nothing by its weight', () => {
    keepBoth()
    newer.active = 9
    stage.edit(SERVICE, '192.168.1.2:80', { method: 'masquerading', weight: 0 })
    older.inactive = 1
    expect(choose(1001 + DAY_MS)).toBe(older)
    stage.edit(SERVICE, '192.168.1.2:80', { method: 'masquerading', weight: 9 })
    older.inactive = 0
    expect(choose(1002 + DAY_MS), 'kept is the one that was quiesced').toBe(newer)
  })

  it('leads nobody to a removed member, and keeps no removed one’s place', () => {
    keepBoth()
    stage.remove(SERVICE, '192.168.1.1:80')
    expect(choose(2000)).toBe(newer)
    stage.remove(SERVICE, '192.168.1.2:80')
    expect(choose(3000)).toBeNull()
  })
})
