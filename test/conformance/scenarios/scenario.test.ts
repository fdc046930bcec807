import { describe, expect, it } from 'vitest'
import { disagreements } from '../../../conformance/scenarios/compare.ts'
import { parseScenario } from '../../../conformance/scenarios/scenario.ts'

describe('a scenario', () => {
  it('is a name, and steps with the text that each was written as', () => {
    const text = `# a name
ipvsadm -A -t 10.0.0.1:80 -s rr

# time passes
wait 2.5
close
`
    expect(parseScenario(text)).toEqual({
      name: 'a name',
      steps: [
        {
          kind: 'ipvsadm',
          argv: ['-A', '-t', '10.0.0.1:80', '-s', 'rr'],
          text: 'ipvsadm -A -t 10.0.0.1:80 -s rr',
        },
        { kind: 'wait', seconds: 2.5, text: 'wait 2.5' },
        { kind: 'close', text: 'close' },
      ],
    })
  })

  it('has traffic from ports or addresses that count up, over both families', () => {
    const stepOf = (line: string) => parseScenario(`# a name\n${line}`).steps[0]
    expect(stepOf('tcp 60 from 10.9.1.1:30000 by address to 10.0.0.1:80 keep')).toMatchObject({
      kind: 'tcp',
      count: 60,
      from: { address: '10.9.1.1', port: 30_000 },
      counts: 'addresses',
      to: { address: '10.0.0.1', port: 80 },
      isKept: true,
    })
    expect(stepOf('udp 1 from [fd09::2]:40000 to [fd00::1]:53')).toMatchObject({
      kind: 'udp',
      from: { address: 'fd09::2', port: 40_000 },
      counts: 'ports',
      to: { address: 'fd00::1', port: 53 },
      isKept: false,
    })
  })

  it.each([
    'bogus',
    'wait',
    'wait 0',
    'wait 1000',
    'close now',
    'tcp 0 from 10.9.0.2:30000 to 10.0.0.1:80',
    'tcp 1001 from 10.9.0.2:30000 to 10.0.0.1:80',
    'tcp 5 from 10.9.0.2 to 10.0.0.1:80',
    'tcp 5 from 10.9.0.2:30000 to 10.0.0.1:80000',
    'icmp 5 from 10.9.0.2:1 to 10.0.0.1:1',
  ])('has no step like %j', (line) => {
    expect(() => parseScenario(`# a name\n${line}`)).toThrow(`no step of a scenario: ${line}`)
  })

  it('has a name', () => {
    expect(() => parseScenario('wait 1')).toThrow("a scenario's first line is '# <name>', not 'wait 1'")
  })
})

describe('two sides of a scenario', () => {
  const scenario = parseScenario('# a name\nipvsadm -Lnc\n')
  const seen = (...lines: readonly string[]) => [
    { stdout: ['IPVS connection entries', ...lines, ''].join('\n'), stderr: '', status: 0 },
  ]

  it('agree when only the order of connections differs, or an expiry time by some seconds', () => {
    const kernel = seen('TCP 14:57  ESTABLISHED a b c', 'UDP 04:59  UDP         d e f')
    const uipvs = seen('UDP 04:50  UDP         d e f', 'TCP 15:00  ESTABLISHED a b c')
    expect(disagreements(scenario, kernel, uipvs)).toEqual([])
  })

  it.each([
    ['Pro FromIP   FPrt …', 'UDP 0A090002 7530 0A000001 0035 C0A80104 0035 UDP         '],
    ['Pro FromIP   FPrt …', 'UDP 0A090002 7530 0A000001 0035 C0A80104 0035 UDP         LOCAL '],
  ])('are read alike in /proc/net: %s %s', (title, line) => {
    const listing = (...lines: readonly string[]) => [
      { stdout: [title, ...lines, ''].join('\n'), stderr: '', status: 0 },
    ]
    const other = line.replace('7530', '7531')
    const kernel = listing(`${line}    298`, `${other}    297`)
    expect(disagreements(scenario, kernel, listing(`${other}    299`, `${line}    296`))).toEqual([])
    expect(disagreements(scenario, kernel, listing(`${other}    299`, `${line}      9`))).toHaveLength(1)
  })

  it.each([
    ['TCP 13:57  ESTABLISHED a b c', 'another timeout'],
    ['TCP 14:57  TIME_WAIT   a b c', 'another state'],
    ['TCP 14:57  ESTABLISHED a b d', 'another server'],
    ['UDP 14:57  ESTABLISHED a b c', 'another protocol'],
  ])('disagree about %s: %s', (line) => {
    const [text, ...more] = disagreements(scenario, seen('TCP 14:57  ESTABLISHED a b c'), seen(line))
    expect(more).toEqual([])
    expect(text).toContain('  kernel TCP 14:57  ESTABLISHED a b c')
    expect(text).toContain(`  uipvs  ${line}`)
  })

  it('disagree when one saw more, or another answer', () => {
    expect(disagreements(scenario, seen(), seen('TCP 14:57  ESTABLISHED a b c'))).toHaveLength(1)
    expect(disagreements(scenario, [['rs1', 'rs2']], [['rs1', 'rs3']])).toEqual([
      'ipvsadm -Lnc\n  kernel 2: rs2\n  uipvs  2: rs3',
    ])
    expect(disagreements(scenario, [], [['rs1']])).toHaveLength(1)
  })
})
