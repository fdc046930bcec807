import { describe, expect, it } from 'vitest'
import { udp4 } from '../support/packets.ts'
import { Stage } from '../support/stage.ts'

const CACHED = udp4({ source: '10.9.0.1:3000', destination: '198.51.100.1:80' })
const MINUTE_MS = 60_000

/** A service for caches, one of which has been chosen for an address; and who is now. */
function staged(scheduler: string): { stage: Stage; chosen: (port: number) => string | null } {
  const stage = new Stage()
  stage.service('fwmark:3', { scheduler })
  for (const host of [1, 2]) stage.destination('fwmark:3', `192.168.1.${host}:80`, { weight: 100 })
  const chosen = (port: number) => {
    const packet = udp4({ source: `10.9.0.1:${port}`, destination: '198.51.100.1:80' })
    return stage.inbound(packet, { mark: 3 }).destination
  }
  expect(stage.inbound(CACHED, { mark: 3 }).destination).toBe('192.168.1.2:80')
  return { stage, chosen }
}

describe.each([
  ['lblc', 'lblc_expiration'],
  ['lblcr', 'lblcr_expiration'],
] as const)('%s', (scheduler, knob) => {
  it(`forgets an address that was unused for ${knob}, and goes by load again`, () => {
    for (const [seconds, next] of [
      [60, '192.168.1.1:80'],
      [86_400, '192.168.1.2:80'],
    ] as const) {
      const { stage, chosen } = staged(scheduler)
      stage.director.knobs[knob] = seconds
      // Whoever is kept is busier than the other, but not crowded.
      stage.director.services
        .lookup(4, 3, 17, 0, 0, 0, 0, 0)!
        .find({ address: stage.connection.destination.address, port: 80 })!
        .bind(false)
      expect(chosen(3001)).toBe('192.168.1.2:80')
      for (let minutes = 0; minutes < 70; minutes++) stage.passTime(MINUTE_MS)
      const busy = stage.director.services.lookup(4, 3, 17, 0, 0, 0, 0, 0)!.pool[0]!
      busy.bind(false)
      expect(chosen(3002)).toBe(next)
    }
  })
})
