import fc from 'fast-check'
import { describe, it } from 'vitest'
import { SCHEDULERS } from '../lib/sched/index.ts'
import type { DestinationSettings } from '../lib/service/destination.ts'
import { ServiceTable } from '../lib/service/service-table.ts'
import { settingsOf } from '../test/support/stage.ts'
import { AddDestination } from './model/service-table/add-destination.ts'
import { AddService } from './model/service-table/add-service.ts'
import { Bind } from './model/service-table/bind.ts'
import { EditDestination } from './model/service-table/edit-destination.ts'
import { EditService } from './model/service-table/edit-service.ts'
import {
  ENDPOINTS,
  MAX_DESTINATIONS,
  MAX_SERVICES,
  type Model,
  type Real,
  SERVICES,
} from './model/service-table/model.ts'
import { RemoveDestination } from './model/service-table/remove-destination.ts'
import { RemoveService } from './model/service-table/remove-service.ts'
import { Sweep } from './model/service-table/sweep.ts'

const service = fc.constantFrom(...SERVICES)
const scheduler = fc.constantFrom('rr', 'wrr', 'wlc', 'sh', 'mh', 'none', 'bogus')
const at = fc.constantFrom(...ENDPOINTS)
const settings: fc.Arbitrary<DestinationSettings> = fc
  .record({ method: fc.constantFrom('masquerading', 'ipip'), weight: fc.constantFrom(0, 1, 5) })
  .map(settingsOf)
const pick = fc.nat({ max: MAX_DESTINATIONS })

const COMMANDS = [
  fc.tuple(service, scheduler).map((args) => new AddService(...args)),
  fc.tuple(service, scheduler).map((args) => new EditService(...args)),
  service.map((name) => new RemoveService(name)),
  fc.tuple(service, at, settings).map((args) => new AddDestination(...args)),
  fc.tuple(service, at, settings).map((args) => new AddDestination(...args)),
  fc.tuple(service, at, settings).map((args) => new EditDestination(...args)),
  fc.tuple(service, at).map((args) => new RemoveDestination(...args)),
  fc.tuple(pick, fc.boolean()).map((args) => new Bind(...args)),
  fc.constantFrom(0, 1000, 60_000, 120_000).map((ms) => new Sweep(ms)),
]

describe('ServiceTable', () => {
  it('does what lists of plain values do, whatever happens to it', () => {
    fc.assert(
      fc.property(fc.commands(COMMANDS, { size: '+1', maxCommands: 50 }), (commands) => {
        const setup = (): { model: Model; real: Real } => ({
          model: { services: new Map(), trash: [], nowMs: 0 },
          real: {
            table: new ServiceTable({
              schedulers: SCHEDULERS,
              random: () => 0.5,
              maxServices: MAX_SERVICES,
              maxDestinations: MAX_DESTINATIONS,
            }),
          },
        })
        fc.modelRun(setup, commands)
      }),
      { numRuns: 100 },
    )
  })
})
