import { describe, expect, it } from 'vitest'
import { planRules, type RedirectedService } from '../../../forwarder/host/rules.ts'
import { parseAddress } from '../../../lib/bytes/address.ts'
import { parseEndpoint, parseServiceKey, type ServiceKey, type Transport } from '../../../lib/service/key.ts'

function service(key: string, queueNumber: number, ...replies: string[]): RedirectedService {
  return {
    key: parseServiceKey(key) as ServiceKey,
    queueNumber,
    replySources: replies.map((text) => {
      const [transport, endpoint] = text.split('/') as [Transport | 'any', string]
      return { transport, ...(parseEndpoint(endpoint) as NonNullable<ReturnType<typeof parseEndpoint>>) }
    }),
  }
}

const WEB = service('tcp:10.0.0.1:80', 5, 'tcp/192.168.1.2:8080', 'tcp/192.168.1.10:8080')

describe('planRules', () => {
  it('flushes every chain of both families when there is no service', () => {
    const empty =
      '*mangle\n:UIPVS-REQUEST - [0:0]\n:UIPVS-REPLY - [0:0]\n:UIPVS-LOCAL - [0:0]\nCOMMIT\n*raw\n:UIPVS-NOTRACK - [0:0]\nCOMMIT\n'
    expect(planRules([])).toEqual({ ipv4: empty, ipv6: empty })
  })

  it('queues requests in mangle PREROUTING and replies in FORWARD, and tracks neither', () => {
    expect(planRules([WEB]).ipv4).toBe(`*mangle
:UIPVS-REQUEST - [0:0]
:UIPVS-REPLY - [0:0]
:UIPVS-LOCAL - [0:0]
-A UIPVS-REQUEST -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j NFQUEUE --queue-num 5
-A UIPVS-REPLY -s 192.168.1.10/32 -p tcp -m tcp --sport 8080 -j NFQUEUE --queue-num 5
-A UIPVS-REPLY -s 192.168.1.2/32 -p tcp -m tcp --sport 8080 -j NFQUEUE --queue-num 5
COMMIT
*raw
:UIPVS-NOTRACK - [0:0]
-A UIPVS-NOTRACK -d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j CT --notrack
-A UIPVS-NOTRACK -s 192.168.1.10/32 -p tcp -m tcp --sport 8080 -m addrtype ! --dst-type LOCAL -j CT --notrack
-A UIPVS-NOTRACK -s 192.168.1.2/32 -p tcp -m tcp --sport 8080 -m addrtype ! --dst-type LOCAL -j CT --notrack
COMMIT
`)
  })

  it('takes the replies of a real server that is this host where they begin', () => {
    const { ipv4 } = planRules([
      { ...WEB, replySources: WEB.replySources.map((source) => ({ ...source, isLocal: true })) },
    ])
    expect(ipv4).not.toContain('-A UIPVS-REPLY')
    expect(ipv4).toContain(
      '-A UIPVS-LOCAL -s 192.168.1.2/32 -p tcp -m tcp --sport 8080 -j NFQUEUE --queue-num 5\n',
    )
  })

  it('queues every port of a service that announces others, its own before', () => {
    const { ipv4 } = planRules([
      { ...service('tcp:10.0.0.1:21', 5, 'tcp/192.168.1.2:21'), announcesPorts: true },
    ])
    expect(ipv4).toContain(`-A UIPVS-REQUEST -d 10.0.0.1/32 -p tcp -m tcp --dport 21 -j NFQUEUE --queue-num 5
-A UIPVS-REQUEST -d 10.0.0.1/32 -p tcp -j NFQUEUE --queue-num 5
-A UIPVS-REPLY -s 192.168.1.2/32 -p tcp -m tcp --sport 21 -j NFQUEUE --queue-num 5
-A UIPVS-REPLY -s 192.168.1.2/32 -p tcp -j NFQUEUE --queue-num 5
`)
  })

  it('queues AH and ESP along with the key exchange that they follow', () => {
    const { ipv4, ipv6 } = planRules([
      service('udp:10.0.0.1:500', 5, 'udp/192.168.1.2:500'),
      service('udp:[fd00::1]:500', 6),
      service('udp:10.0.0.2:501', 7),
    ])
    const ipsec = (text: string) => text.match(/.* -p (ah|esp) .*/g)
    expect(ipsec(ipv4)).toEqual([
      '-A UIPVS-REQUEST -d 10.0.0.1/32 -p ah -j NFQUEUE --queue-num 5',
      '-A UIPVS-REQUEST -d 10.0.0.1/32 -p esp -j NFQUEUE --queue-num 5',
      '-A UIPVS-REPLY -s 192.168.1.2/32 -p ah -j NFQUEUE --queue-num 5',
      '-A UIPVS-REPLY -s 192.168.1.2/32 -p esp -j NFQUEUE --queue-num 5',
    ])
    expect(ipsec(ipv6)).toEqual(['-A UIPVS-REQUEST -d fd00::1/128 -p esp -j NFQUEUE --queue-num 6'])
  })

  it('queues ICMP errors to the addresses that tunnels come from, in their family', () => {
    const tunnelSources = ['192.168.1.254', 'fd01::254'].map((text) => parseAddress(text)!)
    const { ipv4, ipv6 } = planRules([{ ...service('tcp:10.0.0.1:80', 5), tunnelSources }])
    expect(ipv4).toContain('-A UIPVS-REQUEST -d 192.168.1.254/32 -p icmp -m icmp --icmp-type 3 -j NFQUEUE')
    expect(ipv6).toContain(
      '-A UIPVS-REQUEST -d fd01::254/128 -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j NFQUEUE --queue-num 5\n',
    )
  })

  it('queues pings of virtual addresses where they are to be answered', () => {
    const ping = '-A UIPVS-REQUEST -d 10.0.0.1/32 -p icmp -m icmp --icmp-type 8 -j NFQUEUE --queue-num 5\n'
    expect(planRules([WEB]).ipv4).not.toContain(ping)
    expect(planRules([WEB], { echoRequests: true }).ipv4).toContain(ping)
    const inPieces = planRules([WEB], { echoRequests: true, laterFragments: true })
    expect(inPieces.ipv4).toContain('-A UIPVS-REQUEST -d 10.0.0.1/32 -p icmp -f -j NFQUEUE --queue-num 5\n')
  })

  it('puts IPv6 services into the IPv6 text alone', () => {
    const { ipv4, ipv6 } = planRules([service('udp:[fd00::1]:53', 6, 'udp/[fd01::2]:53')])
    expect(ipv4).toBe(planRules([]).ipv4)
    expect(ipv6).toContain(
      '-A UIPVS-REQUEST -d fd00::1/128 -p udp -m udp --dport 53 -j NFQUEUE --queue-num 6\n',
    )
    expect(ipv6).toContain(
      '-A UIPVS-REPLY -s fd01::2/128 -p udp -m udp --sport 53 -j NFQUEUE --queue-num 6\n',
    )
  })

  it('looks services up as IPVS does: the mark first, then the exact port, then port 0', () => {
    const planned = planRules([
      service('tcp:10.0.0.1:0', 3),
      service('tcp:10.0.0.1:80', 2),
      service('fwmark:4294967295', 1),
    ])
    expect(requestRules(planned.ipv4)).toEqual([
      '-m mark --mark 0xffffffff/0xffffffff -j NFQUEUE --queue-num 1',
      '-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j NFQUEUE --queue-num 2',
      '-d 10.0.0.1/32 -p tcp -j NFQUEUE --queue-num 3',
    ])
  })

  it('gives a firewall mark to the family that it was asked for', () => {
    const { ipv4, ipv6 } = planRules([service('fwmark:5:ipv6', 1)])
    expect(ipv4).not.toContain('--mark')
    expect(ipv6).toContain('-m mark --mark 0x5/0xffffffff')
  })

  it('leaves out of raw what cannot be told there: marks, and replies from any port', () => {
    const { ipv4 } = planRules([
      service('fwmark:5', 1, 'any/192.168.1.2:0'),
      service('tcp:10.0.0.1:0', 2, 'tcp/192.168.1.3:0'),
    ])
    const raw = ipv4.slice(ipv4.indexOf('*raw'))
    expect(raw).toBe(
      '*raw\n:UIPVS-NOTRACK - [0:0]\n-A UIPVS-NOTRACK -d 10.0.0.1/32 -p tcp -j CT --notrack\nCOMMIT\n',
    )
  })

  it('keeps the first queue given for a real server that serves several services', () => {
    const { ipv4 } = planRules([WEB, service('tcp:10.0.0.2:80', 9, 'tcp/192.168.1.2:8080')])
    expect(ipv4.match(/-A UIPVS-REPLY -s 192\.168\.1\.2\/32 .*/g)).toEqual([
      '-A UIPVS-REPLY -s 192.168.1.2/32 -p tcp -m tcp --sport 8080 -j NFQUEUE --queue-num 5',
    ])
  })

  it('puts a reply source of any transport after those that name one', () => {
    const { ipv4 } = planRules([service('fwmark:5', 1, 'any/192.168.1.2:0'), WEB])
    expect(ipv4.match(/-A UIPVS-REPLY .*/g)?.at(-1)).toBe(
      '-A UIPVS-REPLY -s 192.168.1.2/32 -j NFQUEUE --queue-num 1',
    )
  })

  it('spells out the transports of a reply source with a port', () => {
    const { ipv4 } = planRules([service('fwmark:5', 1, 'any/192.168.1.2:80')])
    expect(ipv4.match(/-A UIPVS-REPLY .*/g)).toHaveLength(3)
    expect(ipv4).toContain('-p sctp -m sctp --sport 80')
  })

  it('does not depend on the order of services', () => {
    const others = [service('udp:10.0.0.1:53', 7), service('fwmark:9', 8), service('tcp:10.0.0.1:0', 9)]
    expect(planRules([WEB, ...others])).toEqual(planRules([...others.reverse(), WEB]))
  })

  it('has no raw table without notrack', () => {
    expect(planRules([WEB], { notrack: false }).ipv4).not.toContain('*raw')
  })

  it('queues later fragments after everything that shows ports, when asked', () => {
    const options = { laterFragments: true }
    expect(requestRules(planRules([WEB], options).ipv4).at(-1)).toBe(
      '-d 10.0.0.1/32 -p tcp -f -j NFQUEUE --queue-num 5',
    )
    expect(requestRules(planRules([service('udp:[fd00::1]:53', 6)], options).ipv6).at(-1)).toBe(
      '-d fd00::1/128 -p udp -m frag -j NFQUEUE --queue-num 6',
    )
  })

  it('queues the ICMP errors that IPVS handles, once for an address, when asked', () => {
    const both = [WEB, service('udp:10.0.0.1:53', 5)]
    const icmp = requestRules(planRules(both, { icmpErrors: true }).ipv4).filter((rule) =>
      rule.includes('icmp'),
    )
    expect(icmp).toEqual(
      [3, 4, 11]
        .map((type) => `-d 10.0.0.1/32 -p icmp -m icmp --icmp-type ${type} -j NFQUEUE --queue-num 5`)
        .sort(),
    )
  })

  it('ignores reply sources of the other family', () => {
    const mixed: RedirectedService = {
      ...WEB,
      replySources: [{ address: parseAddress('fd00::9')!, port: 80, transport: 'tcp' }],
    }
    expect(planRules([mixed]).ipv4).not.toContain('UIPVS-REPLY -s')
    expect(planRules([mixed]).ipv6).not.toContain('UIPVS-REPLY -s')
  })
})

const requestRules = (text: string): string[] =>
  [...text.matchAll(/-A UIPVS-REQUEST (.*)/g)].map((found) => found[1] as string)
