import fc from 'fast-check'
import { describe, it } from 'vitest'
import { ConnectionTable } from '../lib/conn/connection-table.ts'
import { crowdedConnection } from './arbitraries/connection.ts'
import { Control } from './model/connection-table/control.ts'
import { Create } from './model/connection-table/create.ts'
import { CreateTemplate } from './model/connection-table/create-template.ts'
import { ExpireNow } from './model/connection-table/expire-now.ts'
import { Find } from './model/connection-table/find.ts'
import { Invalidate } from './model/connection-table/invalidate.ts'
import { LearnPort } from './model/connection-table/learn-port.ts'
import { LIMIT, type Model, type Real } from './model/connection-table/model.ts'
import { OnePacket } from './model/connection-table/one-packet.ts'
import { PassTime } from './model/connection-table/pass-time.ts'
import { Prolong } from './model/connection-table/prolong.ts'
import { Remove } from './model/connection-table/remove.ts'

/** Some within a tick of each other, some longer than the expiry wheel is round (27 minutes). */
const timeoutSec = fc.constantFrom(1, 2, 10, 60, 900, 1639, 4000)
const ms = fc.constantFrom(0, 1, 50, 100, 999, 3000, 10_000, 61_000, 900_000, 1_700_000, 9_000_000)
const pick = fc.nat({ max: LIMIT })

const data = fc.constantFrom(null, 'a', 'b')

const COMMANDS = [
  crowdedConnection().map((spec) => new Create(spec, false)),
  fc.tuple(crowdedConnection(), fc.boolean()).map((args) => new Create(...args)),
  fc.tuple(crowdedConnection(), data, fc.boolean()).map((args) => new CreateTemplate(...args)),
  fc.tuple(crowdedConnection(), data).map((args) => new Find(...args)),
  crowdedConnection().map((spec) => new OnePacket(spec)),
  fc.tuple(pick, pick).map((args) => new Control(...args)),
  fc.tuple(pick, fc.constantFrom(3000, 3001)).map((args) => new LearnPort(...args)),
  pick.map((at) => new Invalidate(at)),
  fc.tuple(pick, timeoutSec).map((args) => new Prolong(...args)),
  fc.tuple(ms, fc.constantFrom(1, 2, 1000)).map((args) => new PassTime(...args)),
  pick.map((at) => new ExpireNow(at)),
  pick.map((at) => new Remove(at)),
]

describe('ConnectionTable', () => {
  it('does what a list searched from the front does, whatever happens to it', () => {
    fc.assert(
      fc.property(
        fc.commands(COMMANDS, { size: '+1', maxCommands: 60 }),
        fc.integer(),
        fc.constantFrom(0, 12_345.6, 3 * 365 * 86_400_000),
        (commands, seed, nowMs) => {
          const setup = (): { model: Model; real: Real } => ({
            model: { entries: [], nowMs, passedTick: Math.floor(nowMs / 100) },
            real: { table: new ConnectionTable({ limit: LIMIT, seed, nowMs }), removed: [] },
          })
          fc.modelRun(setup, commands)
        },
      ),
      { numRuns: 200 },
    )
  })
})
