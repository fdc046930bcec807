import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { KNOB_NAMES } from '../../control/knobs.ts'
import { configurationSchema, DaemonConfig } from '../../forwarder/config.ts'

const PUBLISHED = new URL('../../docs/schema/config.schema.json', import.meta.url)
const schema = configurationSchema() as {
  readonly properties: Readonly<
    Record<string, { readonly description?: string; readonly properties?: object }>
  >
}

describe('the schema of the configuration file', () => {
  it('that is published is that of the program: `uipvs run --schema` prints it', () => {
    expect(readFileSync(PUBLISHED, 'utf8')).toBe(`${JSON.stringify(schema, null, 2)}\n`)
  })

  it('describes every setting, and names every knob', () => {
    for (const name of Object.keys(DaemonConfig.shape)) {
      const isSelfEvident = name === 'services'
      expect({
        name,
        described: isSelfEvident || schema.properties[name]?.description !== undefined,
      }).toEqual({
        name,
        described: true,
      })
    }
    expect(Object.keys(schema.properties['knobs']?.properties ?? {})).toEqual(KNOB_NAMES)
  })

  it.each([
    [{}, true],
    [{ $schema: 'https://example.org/schema.json', firstQueue: 5 }, true],
    [{ services: [{ protocol: 'tcp', address: '10.0.0.1', port: 80 }] }, true],
    [{ services: [{ fwmark: 5, destinations: [{ address: '10.0.0.1', port: 80 }] }] }, true],
    [{ firstQueue: 65_535 }, false],
    [{ services: [{ protocol: 'tcp', address: '10.0.0.1' }] }, false],
    [{ services: [{ protocol: 'icmp', address: '10.0.0.1', port: 80 }] }, false],
    [{ colour: 'red' }, false],
    [{ logLevel: 'loud' }, false],
  ])('takes what the program takes, and refuses what it refuses: %j', (config, isTaken) => {
    const byItself = z.fromJSONSchema(schema as never)
    expect(byItself.safeParse(config).success).toBe(isTaken)
    expect(DaemonConfig.safeParse(config).success).toBe(isTaken)
  })
})
