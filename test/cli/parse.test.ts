import { describe, expect, it } from 'vitest'
import { OPTIONS } from '../../cli/grammar.ts'
import { parse } from '../../cli/parse.ts'
import { formatEndpoint, formatServiceKey } from '../../lib/service/key.ts'
import { fakeNames } from '../support/fake-names.ts'

const parsed = (...argv: string[]) => parse(argv, fakeNames())
const words = (line: string) => parsed(...line.split(' '))

/** Every text and status below is what ipvsadm 1.31 itself answered to that line. */
const REFUSED: readonly (readonly [line: string, status: number, text: string])[] = [
  ['-A --start-daemon master', 2, "invalid option `master'"],
  ['-A --start-daemon=master', 2, "invalid option `--start-daemon=master'"],
  ['-L --start-daemon', 255, '--start-daemon: missing argument'],
  ['-A -LnQ', 2, "invalid option `-LnQ'"],
  ['-L -h', 2, "invalid option `-h'"],
  ['foo -L', 2, 'unexpected argument foo'],
  ['-- -L', 255, "Try `ipvsadm -h' or 'ipvsadm --help' for more information."],
  ['-Lx', 255, '-Lx: missing argument'],
  ['-Q -L', 255, "Try `ipvsadm -h' or 'ipvsadm --help' for more information."],
  ['-L -X --exact', 2, "multiple 'exact' options specified"],
  ['-L -p', 2, "Illegal 'persistent' option with the 'list' command"],
  ['-Z -6', 2, '-6 used before -f\n'],
  ['-A -t 1.1.1.1:1 -6', 2, '-6 used before -f\n'],
  ['--set -n 1 2 3', 2, "Illegal 'numeric' option with the 'set' command"],
  ['--set 1 2 3 -- 4', 2, 'unexpected argument 4'],
  ['--set -- -1 2 3', 2, "invalid timeout value `-1' specified"],
  ['--set 1 b', 2, '--set option requires 3 timeout values'],
  ['--set -b bogus 1 2', 2, '--set option requires 3 timeout values'],
  ['-A -b bogus foo', 2, 'unexpected argument foo'],
  ['-A -b bogus', 2, "invalid scheduler flag `bogus'"],
  ['-A -t 1.1.1.1:1 -b mh-port', 2, "incompatible scheduler flag `mh-port'"],
  ['-A -t 1.1.1.1:1 -s sh -b sh-port,bogus', 2, "invalid scheduler flag `bogus'"],
  ['-A -t 1.1.1.1:0 -o', 2, 'Zero port specified for non-persistent service'],
  ['-A -t 1.1.1.1:80 -op5', 2, 'One-Packet Scheduling is only for UDP virtual services'],
  ['-A -t 1.1.1.1:80 -p5s', 2, "invalid timeout value `5s' specified"],
  ['-A -t 1.1.1.1:80 -ps rr', 2, "invalid timeout value `s' specified"],
  ['-A -t 1.1.1.1:80 -p -p', 2, "multiple 'persistent' options specified"],
  ['-A -t [::1]:80 -M x', 2, 'illegal ipv6 netmask specified'],
  ['-A -f 5x', 2, "invalid fwmark value `5x' specified"],
  ['-a -f 5 -r fd00::1', 2, 'Different address family is allowed only for tunneling servers'],
  ['-a -f 5 -6 -r 2.2.2.2', 2, 'Different address family is allowed only for tunneling servers'],
  ['-a -r 1.1.1.1:http -t 2.2.2.2:90', 2, 'illegal real server address[:port] specified'],
  ['-a -t 1.1.1.1:1 -r 1.1.1.1 -y -1', 2, 'illegal l_threshold specified'],
  ['-a -t 1.1.1.1:80 -r 2.2.2.2 --tun-type ipip', 2, 'Tunnel options conflict with forward method'],
  [
    '-a -t 1.1.1.1:80 -r 2.2.2.2 -i --tun-type gue --tun-csum --tun-remcsum',
    2,
    "You need to supply the 'tun-port' option for the 'gue' tunnel type",
  ],
  [
    '-a -t 1.1.1.1:80 -r 2.2.2.2 -i --tun-type gue --tun-csum --tun-remcsum --tun-port 5',
    2,
    "The option 'tun-remcsum' conflicts with the 'tun-csum' option in the 'gue' tunnel type",
  ],
  [
    '-a -t 1.1.1.1:80 -r 2.2.2.2 -i --tun-type gre --tun-port 4 --tun-csum --tun-remcsum',
    2,
    "Illegal 'tun-port' option with the 'gre' tunnel type",
  ],
  [
    '-L --daemon -t 1.1.1.1:1',
    2,
    "The option 'daemon' conflicts with the 'service-address' option in the 'list' command",
  ],
  ['-L --daemon --thresholds', 2, 'options conflicts in the list command'],
  ['--start-daemon foo --bogus', 2, 'illegal start-daemon parameter specified'],
  ['--start-daemon=', 2, 'illegal start-daemon parameter specified'],
  ['--stop-daemon MASTER', 2, 'illegal start_daemon specified'],
  ['--stop-daemon master --mcast-ttl 3', 2, "Illegal 'mcast-ttl' option with the 'stop-daemon' command"],
  ['--start-daemon backup --mcast-group fe80::1', 2, "invalid IPv6 mcast-group `fe80::1'"],
  ['--start-daemon backup --mcast-group 1.1.1.1:', 2, "invalid IPv6 mcast-group `1.1.1.1:'"],
  ['--start-daemon backup --mcast-group foo', 2, "invalid IPv4 mcast-group `foo'"],
  ['--start-daemon backup --mcast-ttl 256', 2, 'illegal mcast-ttl specified'],
  ['--start-daemon backup --sync-maxlen 0', 2, 'illegal sync-maxlen specified'],
  ['--start-daemon backup --mcast-port 0', 2, 'illegal mcast-port specified'],
]

/** The order in which ipvsadm 1.31 was seen to check: of any two illegal options, the earlier one is reported. */
const CHECKING_ORDER =
  'numeric connection service-address scheduler persistent netmask real-server forwarding-method weight ' +
  'u-threshold l-threshold mcast-interface timeout daemon stats rate thresholds persistent-conn nosort syncid ' +
  'exact ops pe sched-flags mcast-group mcast-port mcast-ttl sync-maxlen tun-info tun-type tun-port tun-nocsum ' +
  'tun-csum tun-remcsum'

describe('parse', () => {
  it.each(REFUSED)('refuses %s as ipvsadm does', async (line, exitStatus, text) => {
    expect(await words(line)).toMatchObject({ text, exitStatus })
  })

  it('ends a restore at a usage error, but not at a word that cannot be read', async () => {
    expect(await words('-A -t 1')).toMatchObject({ endsRestore: true })
    expect(await words('foo')).toMatchObject({ endsRestore: true })
    expect(await words('-A --bogus')).toMatchObject({ endsRestore: false })
  })

  it('checks the options in the order of ipvsadm', () => {
    const checked = OPTIONS.filter((option) => !('unchecked' in option || 'extension' in option)).map(
      ({ name }) => name,
    )
    expect(checked.join(' ')).toBe(CHECKING_ORDER)
  })

  it('defaults to wlc, gatewaying and weight 1', async () => {
    expect(await words('-A -t 10.0.0.1:80')).toMatchObject({
      command: 'add-service',
      settings: {
        scheduler: 'wlc',
        schedulerFlags: [],
        persistentSeconds: null,
        netmask: null,
        engine: null,
        onePacket: false,
      },
    })
    expect(await words('-a -t 10.0.0.1:80 -r 10.0.0.2')).toMatchObject({
      command: 'add-server',
      settings: { method: 'gatewaying', weight: 1, upperThreshold: 0, lowerThreshold: 0 },
    })
  })

  it('cuts a scheduler name at 15 characters and takes an empty one for the default', async () => {
    expect(await words('-A -f 1 -s abcdefghijklmnopqrst')).toMatchObject({
      settings: { scheduler: 'abcdefghijklmno' },
    })
    expect(await parsed('-A', '-f', '1', '-s', '')).toMatchObject({ settings: { scheduler: 'wlc' } })
  })

  it('reads scheduler flags by either name, whichever side of -s they stand', async () => {
    const flags = async (line: string) => {
      const request = await words(line)
      return 'settings' in request && 'schedulerFlags' in request.settings && request.settings.schedulerFlags
    }
    expect(await flags('-A -f 1 -b sh-port,sh-fallback -s sh')).toEqual(['flag-1', 'flag-2'])
    expect(await flags('-A -f 1 -s mh -b mh-port,flag-1')).toEqual(['flag-1', 'flag-2'])
    expect(await flags('-A -f 1 -b ,flag-3,,flag-3')).toEqual(['flag-3'])
  })

  it.each([
    ['-D -u [fd00::1]:53', 'udp:[fd00::1]:53'],
    ['-D --sctp-service 10.1:80', 'sctp:10.0.0.1:80'],
    ['-D -f 4294967295', 'fwmark:4294967295'],
    ['-D -f 8 -6 -6', 'fwmark:8:ipv6'],
    ['-D -f +8', 'fwmark:8'],
    ['-D -t localhost:www', 'tcp:127.0.0.1:80'],
  ])('names the service of %s', async (line, id) => {
    const request = await words(line)
    expect('service' in request && request.service && formatServiceKey(request.service)).toBe(id)
  })

  it.each([
    ['-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -m', '10.0.0.2:8080', 'a masqueraded server keeps its port'],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2 -m', '10.0.0.2:80', 'the service’s port is the default'],
    ['-a -r 10.0.0.2 -t 10.0.0.1:80 -m', '10.0.0.2:0', 'but only once it has been read'],
    ['-a -t 10.0.0.1:80 -r 10.0.0.2:8080 -g', '10.0.0.2:80', 'direct routing has the service’s port'],
    ['-e -t 10.0.0.1:80 -r [fd00::2]:8080 -i', '[fd00::2]:80', 'and so has a tunnel'],
    ['-a -f 5 -r 10.0.0.2:8080 -g', '10.0.0.2:8080', 'a mark has no port to give'],
    ['-a -f 5 -r 10.0.0.2', '10.0.0.2:0', 'none at all'],
    ['-d -t 10.0.0.1:80 -r 10.0.0.2:81', '10.0.0.2:81', 'deleting takes the port as written'],
    ['-d -t 10.0.0.1:80 -r 10.0.0.2', '10.0.0.2:80', 'or the service’s'],
    ['-d -r 10.0.0.2 -t 10.0.0.1:80', '10.0.0.2:0', 'once it has been read'],
  ])('understands the server of %s as %s: %s', async (line, endpoint) => {
    const request = await words(line)
    expect('server' in request && formatEndpoint(request.server)).toBe(endpoint)
  })

  it('prints the first of several tables in a fixed order', async () => {
    expect(await words('-L --tun-info --thresholds --rate')).toMatchObject({ table: 'rate' })
    expect(await words('-L --tun-info --persistent-conn')).toMatchObject({ table: 'persistent-conn' })
  })

  it('reads what sync daemons would be started with, and finds its faults', async () => {
    expect(await words('--start-daemon master --mcast-group ff02::1')).toEqual({ command: 'start-daemon' })
    expect(await words('--start-daemon master --mcast-ttl 0')).toMatchObject({ exitStatus: 2 })
  })

  it.each([
    ['-L --json', { what: 'services', json: true }],
    ['-Lnc --json', { what: 'connections', json: true }],
    ['-L --tot-stats', { what: 'totals', json: false }],
    ['-L --timeout --json', { what: 'timeouts', json: true }],
    ['-L --daemon --json', { what: 'daemons', json: true }],
    ['-L --stats --json -t 10.0.0.1:80', { what: 'services', table: 'stats', json: true }],
  ])('reads its own options of the listing %s', async (line, request) => {
    expect(await words(line)).toMatchObject(request)
  })

  it.each([
    ['-A -f 1 --json', "Illegal 'json' option with the 'add-service' command"],
    ['-S --json', "Illegal 'json' option with the 'save' command"],
    ['-Z --tot-stats', "Illegal 'tot-stats' option with the 'zero' command"],
    ['-L --json --json', "multiple 'json' options specified"],
    ['-L --json=1', '--json=1: option does not take an argument'],
    ['-Lc --tot-stats', 'options conflicts in the list command'],
    ['-L --timeout --tot-stats', 'options conflicts in the list command'],
    ['-L -f 1 --tot-stats', 'options conflicts in the list command'],
  ])('refuses its own options where they make no sense: %s', async (line, text) => {
    expect(await words(line)).toMatchObject({ text })
  })

  it.each([
    ['-t 10.0.0.1:0 -p', { persistentSeconds: 360 }],
    ['-t 10.0.0.1:80 -p 2678400', { persistentSeconds: 2_678_400 }],
    ['-t 10.0.0.1:80 -p 10 -M 255.255.255.0', { persistentSeconds: 10, netmask: '255.255.255.0' }],
    ['-t 10.0.0.1:80 -M 24', { persistentSeconds: null, netmask: '0.0.0.24' }],
    ['-M 255.255.0.0 -t 10.0.0.1:80', { netmask: '255.255.0.0' }],
    ['-t [fd00::1]:80 -M 64', { netmask: 64 }],
    ['-M 255.255.0.0 -t [fd00::1]:80', { netmask: null }],
    ['-f 1 -6 -M 64', { netmask: 64 }],
    ['-f 1 -M 255.255.0.0 -6', { netmask: null }],
    ['-u 10.0.0.1:5060 -p 60 --pe sip -o', { persistentSeconds: 60, engine: 'sip', onePacket: true }],
    ['-f 1 --pe abcdefghijklmnopqrst', { engine: 'abcdefghijklmno' }],
    ['-f 1 --pe=', { engine: null }],
  ])('reads the persistence of -A %s', async (options, settings) => {
    expect(await words(`-A ${options}`)).toMatchObject({ settings })
  })

  it.each([
    ['', { type: 'ipip', port: 0, checksum: 'none' }],
    ['--tun-type ipip', { type: 'ipip', port: 0, checksum: 'none' }],
    ['--tun-type gue --tun-port 6080', { type: 'gue', port: 6080, checksum: 'none' }],
    ['--tun-csum --tun-port 65535 --tun-type gue', { type: 'gue', port: 65_535, checksum: 'full' }],
    ['--tun-type gue --tun-port 1 --tun-nocsum', { type: 'gue', port: 1, checksum: 'none' }],
    ['--tun-type gue --tun-port 1 --tun-remcsum', { type: 'gue', port: 1, checksum: 'remote' }],
    ['--tun-type gre', { type: 'gre', port: 0, checksum: 'none' }],
    ['--tun-type gre --tun-nocsum', { type: 'gre', port: 0, checksum: 'none' }],
    ['--tun-type gre --tun-csum', { type: 'gre', port: 0, checksum: 'full' }],
  ])('reads the tunnel options %j', async (options, tunnel) => {
    const line = `-a -t 1.1.1.1:80 -r 1.1.1.2 -i ${options}`.trimEnd()
    expect(await words(line)).toMatchObject({ settings: { method: 'ipip', tunnel } })
  })
})
