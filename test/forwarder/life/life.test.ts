import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Configuration, WantedConfiguration } from '../../../control/configuration.ts'
import { difference } from '../../../control/difference.ts'
import { LogLevel } from '../../../control/life.ts'
import { DaemonConfig } from '../../../forwarder/config.ts'
import { refusalError } from '../../../forwarder/control/request-error.ts'
import { Life } from '../../../forwarder/life/life.ts'
import { refuse } from '../../../lib/service/refusal.ts'

const SERVICE = { protocol: 'tcp', address: '10.0.0.1', port: 80 }
const DEFAULTS: Configuration = {
  services: [],
  timeouts: { tcp: 900, tcpFin: 120, udp: 300 },
  knobs: { drop_entry: 0, conn_reuse_mode: 1 },
}

let directory: string
let configPath: string
let configuration: Configuration
let logged: string[]
let told: string[]
let refusal: Error | null
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'uipvs-life-'))
  configPath = join(directory, 'config.json')
  configuration = DEFAULTS
  logged = []
  told = []
  refusal = null
})
afterEach(() => rmSync(directory, { recursive: true }))

/** A daemon's life that was started with this configuration file. */
function started(config: object | null): Life {
  if (config !== null) writeFileSync(configPath, JSON.stringify(config))
  const note = (level: string) => (details: object, message: string) => {
    logged.push(`${level} ${message}`)
    return details
  }
  const life = new Life({
    configPath: config === null ? undefined : configPath,
    config: DaemonConfig.parse(config ?? {}),
    ledger: {
      get configuration() {
        return configuration
      },
    },
    replace: async (wanted) => {
      if (refusal !== null) throw refusal
      return replaced(wanted)
    },
    log: { level: 'info', info: note('info'), warn: note('warn'), error: note('error') },
    notifier: { reloading: () => told.push('reloading'), ready: (status) => told.push(`ready: ${status}`) },
    report: () => ({ host: [], services: [] }),
  })
  replaced(life.wanted(DaemonConfig.parse(config ?? {})))
  return life
}

function replaced(wanted: WantedConfiguration) {
  const changes = difference(configuration, wanted)
  configuration = {
    services: wanted.services,
    timeouts: wanted.timeouts ?? configuration.timeouts,
    knobs: { ...configuration.knobs, ...wanted.knobs },
  }
  return { revision: '1', changes }
}

const edit = (config: object) => writeFileSync(configPath, JSON.stringify(config))

describe('reading the configuration again', () => {
  it('brings everything to what the file says', async () => {
    const life = started({
      services: [SERVICE],
      knobs: { drop_entry: 1 },
      timeouts: { tcp: 60, tcpFin: 0, udp: 0 },
    })
    edit({ services: [{ ...SERVICE, port: 81 }], knobs: { conn_reuse_mode: 0 } })
    const { changes, needsRestart } = await life.reload()
    expect(changes.map(({ kind }) => kind).sort()).toEqual([
      'knob-changed',
      'knob-changed',
      'service-added',
      'service-removed',
      'timeouts-changed',
    ])
    expect(needsRestart).toEqual([])
    // What the file leaves out is as after a start with it.
    expect(configuration.timeouts).toEqual(DEFAULTS.timeouts)
    expect(configuration.knobs).toEqual({ drop_entry: 0, conn_reuse_mode: 0 })
    expect(configuration.services).toMatchObject([{ port: 81 }])
    expect(logged).toEqual(['info the configuration is read again'])
    expect(told).toEqual(['reloading', 'ready: balancing 1 services'])
  })

  it('changes nothing where nothing has changed', async () => {
    const life = started({ services: [SERVICE] })
    expect((await life.reload()).changes).toEqual([])
  })

  it('takes back what was changed by others since', async () => {
    const life = started({ services: [SERVICE] })
    replaced({ services: [], knobs: { drop_entry: 3 } })
    await life.reload()
    expect(configuration.services).toMatchObject([SERVICE])
    expect(configuration.knobs).toEqual(DEFAULTS.knobs)
  })

  it('names what only a start can change', async () => {
    const life = started({ connectionLimit: 2048 })
    edit({ connectionLimit: 4096, firstQueue: 9000, egressDriver: 'frame', logLevel: 'debug' })
    const { needsRestart } = await life.reload()
    expect(needsRestart).toEqual(['firstQueue', 'egressDriver', 'connectionLimit'])
    expect(logged.at(-1)).toBe(
      'warn these settings are only read at the start: firstQueue, egressDriver, connectionLimit',
    )
  })

  it('changes what is logged', async () => {
    const life = started({})
    edit({ logLevel: 'warn' })
    await life.reload()
    expect(life.logSettings).toEqual({ level: 'warn' })
  })

  it.each([
    ['is not JSON', '{', /^error nothing is changed: the configuration file .* is not JSON: /],
    [
      'has a flaw',
      '{"firstQueue": -1}',
      /^error nothing is changed: the configuration file .* is refused: firstQueue: /,
    ],
  ])('changes nothing where the file %s, says so, and is ready as before', async (_title, text, message) => {
    const life = started({ services: [SERVICE] })
    const before = configuration
    writeFileSync(configPath, text)
    await expect(life.reload()).rejects.toMatchObject({ code: 'invalid-value' })
    expect(configuration).toBe(before)
    expect(logged).toEqual([expect.stringMatching(message)])
    expect(told).toEqual(['reloading', 'ready: balancing 1 services'])
  })

  it('passes on what is refused for other reasons', async () => {
    const life = started({ services: [SERVICE] })
    refusal = refusalError(refuse('scheduler-not-found', "scheduler 'best' is not one of: rr"))
    await expect(life.reload()).rejects.toMatchObject({ code: 'scheduler-not-found' })
    expect(logged).toEqual(["error nothing is changed: scheduler 'best' is not one of: rr"])
  })

  it('is refused where there is no file', async () => {
    await expect(started(null).reload()).rejects.toMatchObject({
      code: 'not-supported',
      message: 'the daemon was started without a configuration file',
    })
  })
})

describe('the log level', () => {
  it.each(LogLevel.options)('can be %s, and each change is said', (level) => {
    const life = started({})
    life.logSettings = { level }
    expect(life.logSettings).toEqual({ level })
    expect(logged).toEqual(['info the log level is changed'])
  })
})
