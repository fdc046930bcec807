import { describe, expect, it } from 'vitest'
import { isFlaw, readConfiguration } from '../../../cli/configuration/wanted.ts'
import { fakeNames } from '../../support/fake-names.ts'

const read = (text: string) => readConfiguration(text, fakeNames())

async function wanted(text: string) {
  const outcome = await read(text)
  if (isFlaw(outcome)) throw new Error(`line ${outcome.line}: ${outcome.message}`)
  return outcome
}

async function flaw(text: string): Promise<string> {
  const outcome = await read(text)
  return isFlaw(outcome) ? `${outcome.line}: ${outcome.message}` : 'none'
}

describe('a file as ipvsadm saves it', () => {
  it('is read as the services that it would restore', async () => {
    const { configuration } = await wanted(`
      # the web
      -A -t 10.0.0.1:http -s wrr -p 60
      -a -t 10.0.0.1:80 -r 192.168.1.1 -m -w 3
      -a -t 10.0.0.1:80 -r 192.168.1.2:8080 -m
      ipvsadm -A -f 5 -6
      --set 100 0 30
    `)
    expect(configuration).toMatchObject({
      services: [
        {
          protocol: 'tcp',
          address: '10.0.0.1',
          port: 80,
          scheduler: 'wrr',
          persistentSeconds: 60,
          destinations: [
            { address: '192.168.1.1', port: 80, method: 'masquerading', weight: 3 },
            { address: '192.168.1.2', port: 8080, weight: 1 },
          ],
        },
        { fwmark: 5, family: 'ipv6', scheduler: 'wlc', destinations: [] },
      ],
      timeouts: { tcp: 100, tcpFin: 0, udp: 30 },
    })
    expect(configuration.knobs).toBeUndefined()
  })

  it('begins anew with -C, and nothing at all is no service', async () => {
    expect((await wanted('-A -f 1\n-C\n-A -f 2\n')).configuration.services).toMatchObject([{ fwmark: 2 }])
    expect((await wanted('')).configuration).toEqual({ services: [] })
    expect((await wanted('-C\n')).configuration).toEqual({ services: [] })
  })

  it('knows on which line everything is', async () => {
    const { lineOf } = await wanted('\n-A -f 1\n\n-a -f 1 -r 10.0.0.1\n-a -f 1 -r 10.0.0.2\n-A -f 2\n')
    expect(lineOf(['services', 0])).toBe(2)
    expect(lineOf(['services', 0, 'destinations', 1])).toBe(5)
    expect(lineOf(['services', 0, 'destinations', 1, 'weight'])).toBe(5)
    expect(lineOf(['services', 1, 'scheduler'])).toBe(6)
    expect(lineOf([])).toBe(1)
  })

  it.each([
    ['-A -t 10.0.0.1', '1: Zero port specified for non-persistent service'],
    ['-A -f 1\n-A -f 2\n-A -f 1', '3: fwmark:1 is on line 1 already'],
    ['-a -f 1 -r 10.0.0.1', '1: there is no line that adds fwmark:1 before its real server'],
    ['-A -f 1\n-a -f 1 -r 10.0.0.1\n-a -f 1 -r 10.0.0.1', '3: 10.0.0.1:0 of fwmark:1 is on line 2 already'],
    ['-A -f 1\n-D -f 1', '2: a configuration is written with -A, -a, --set and -C, not delete-service'],
    ['-Ln', '1: a configuration is written with -A, -a, --set and -C, not list'],
    ['-A -f 0', "1: invalid fwmark value `0' specified"],
    ['hello', "1: Try `ipvsadm -h' or 'ipvsadm --help' for more information."],
  ])('is refused with the line, and in one: %j', async (text, expected) => {
    expect(await flaw(text)).toBe(expected)
  })
})

describe('a file of JSON', () => {
  const TEXT = `{
  "services": [
    { "fwmark": 1 },
    {
      "protocol": "tcp", "address": "10.0.0.1",
      "port": 80,
      "destinations": [{ "address": "10.0.0.2", "port": 1 },
        { "address": "10.0.0.3", "port": 2,
          "weight": 3 }]
    }
  ],
  "knobs": { "a, ]} \\" b": 1,
    "drop_entry": 2 }
}`

  it('is read, defaults filled in', async () => {
    const { configuration } = await wanted(TEXT.replace(/"a, .*?: 1,/, ''))
    expect(configuration.services).toMatchObject([
      { fwmark: 1, scheduler: 'wlc' },
      { port: 80, destinations: [{ weight: 1 }, { weight: 3 }] },
    ])
    expect(configuration.knobs).toEqual({ drop_entry: 2 })
  })

  it('knows on which line everything is, and of what is missing, where it is missing', async () => {
    const { lineOf } = await wanted(TEXT.replace('"a, ]} \\" b": 1', '"sync_threshold": "3 50"'))
    expect(lineOf(['services', 0])).toBe(3)
    expect(lineOf(['services', 1])).toBe(4)
    expect(lineOf(['services', 1, 'port'])).toBe(6)
    expect(lineOf(['services', 1, 'destinations', 1])).toBe(8)
    expect(lineOf(['services', 1, 'destinations', 1, 'weight'])).toBe(9)
    expect(lineOf(['services', 1, 'destinations', 1, 'method'])).toBe(8)
    expect(lineOf(['services', 7, 'destinations'])).toBe(2)
    expect(lineOf(['knobs', 'drop_entry'])).toBe(13)
    expect(lineOf([])).toBe(1)
  })

  it.each([
    [TEXT, "12: knobs: there is no knob 'a, ]} \" b'"],
    ['{}', '1: services: expected array, received undefined'],
    ['{\n  "services": [\n    { "fwmark": 0 }\n  ]\n}', '3: services[0].fwmark: Too small'],
    ['{\n  "services": [],\n  "colour": 1\n}', '1: Unrecognized key: "colour"'],
    ['{\n  "services": [\n}', '3: not JSON: '],
    ['{\n  "services": [\n', '2: not JSON: Unexpected end of JSON input'],
    ['{\n  "services": []\n} x', '3: not JSON: '],
  ])('is refused with the line, and in one: %j', async (text, expected) => {
    const found = await flaw(text)
    expect(found.slice(0, expected.length)).toBe(expected)
    expect(found).not.toContain('\n')
  })
})
