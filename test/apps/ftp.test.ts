import { describe, expect, it } from 'vitest'
import {
  type FtpControl,
  type FtpFinding,
  type FtpMode,
  findInReply,
  findInRequest,
} from '../../lib/apps/ftp.ts'
import { parseAddress } from '../../lib/bytes/address.ts'
import { concat, octets } from '../support/packets.ts'

const CONTROL_4: FtpControl = {
  family: 4,
  client: parseAddress('10.9.0.1')!,
  virtual: parseAddress('10.0.0.1')!,
  virtualPort: 21,
  destination: parseAddress('192.168.1.1')!,
  destinationPort: 2121,
}
const CONTROL_6: FtpControl = {
  family: 6,
  client: parseAddress('fd09::1')!,
  virtual: parseAddress('fd00::1')!,
  virtualPort: 21,
  destination: parseAddress('fd01::1')!,
  destinationPort: 21,
}
const PREFIX = octets('#'.repeat(7))

const request = (text: string, control = CONTROL_4): string => {
  const bytes = concat(PREFIX, octets(text), octets(',99\r\nPASV\r\n'))
  return said(findInRequest(bytes, PREFIX.length, PREFIX.length + text.length, control), text)
}

const reply = (text: string, mode: FtpMode, control = CONTROL_4): string => {
  const bytes = concat(PREFIX, octets(text), octets('1)|\r\n'))
  return said(findInReply(bytes, PREFIX.length, PREFIX.length + text.length, control, mode), text)
}

/** The finding as a line: `passive`, or client > virtual > destination, and the text as the receiver reads it. */
function said(finding: FtpFinding | null, text: string): string {
  if (finding === null) return 'nothing'
  const { mode, expect: data, replace } = finding
  if (data === null) return mode
  expect(mode).toBe('active')
  const ways = [
    `${data.client} ${data.clientPort}`,
    `${data.virtual} ${data.virtualPort}`,
    `${data.destination} ${data.destinationPort}`,
  ].join(' > ')
  if (replace === null) return ways
  const replaced = Buffer.from(replace.bytes).toString('latin1')
  return `${ways}: ${text.slice(0, replace.fromBytes)}${replaced}${text.slice(replace.toBytes)}`
}

describe('findInRequest, passive modes', () => {
  it.each([
    ['PASV\r\n', 'passive'],
    ['pAsV\r\n', 'passive'],
    ['NOOP\r\nPASV\r\n', 'passive'],
    ['xPASV\r\n', 'passive'],
    ['PASV\r\nPORT 1,2,3,4,5,6\r\n', 'passive'],
    ['PORT 1,2,3,4,5,6\r\nPASV\r\n', 'passive'],
    ['PASV\n', 'nothing'],
    ['PASV\r', 'nothing'],
    ['PASV \r\n', 'nothing'],
    ['PASV', 'nothing'],
    ['PASS\r\n', 'nothing'],
    ['EPSV\r\n', 'extended-passive'],
    ['epsv\r\n', 'extended-passive'],
    ['EPSV\r.', 'extended-passive'],
    ['EPSV 1\r\n', 'extended-passive'],
    ['NOOP\r\nEPSV 1\r\n', 'extended-passive'],
    ['EPSV 2\r\n', 'nothing'],
    ['EPSV ALL\r\n', 'nothing'],
    ['EPSV ALL\r\nPASV\r\n', 'nothing'],
    ['EPSV 1\n\r', 'nothing'],
    ['EPSV 1', 'nothing'],
    ['EPSV\r', 'nothing'],
    ['EPSV\n\r\nPASV\r\n', 'passive'],
    ['', 'nothing'],
    ['P', 'nothing'],
  ])('%j: %s', (text, expected) => {
    expect(request(text)).toBe(expected)
  })

  it.each([
    ['PASV\r\n', 'nothing'],
    ['EPSV\r\n', 'extended-passive'],
    ['EPSV 2\r\n', 'extended-passive'],
    ['EPSV 1\r\n', 'nothing'],
    ['PASV\r\nEPSV\r\n', 'extended-passive'],
  ])('over IPv6, %j: %s', (text, expected) => {
    expect(request(text, CONTROL_6)).toBe(expected)
  })
})

describe('findInRequest', () => {
  it('looks at nothing behind the end, even where it would complete a command', () => {
    for (const command of [
      'PASV\r\n',
      'EPSV\r.',
      'EPSV 1\r',
      'EPRT |1|10.9.0.1|4000|',
      'PORT 10,9,0,1,15,160\r',
    ]) {
      const bytes = octets(command)
      expect(findInRequest(bytes, 0, bytes.length, CONTROL_4), command).not.toBeNull()
      expect(findInRequest(bytes, 0, bytes.length - 1, CONTROL_4), command).toBeNull()
    }
  })
})

describe('findInRequest, active mode', () => {
  const DATA = '10.9.0.1 4000 > 10.0.0.1 20 > 192.168.1.1 2120'
  it.each([
    ['PORT 10,9,0,1,15,160\r\n', DATA],
    ['port 10,9,0,1,15,160\r\n', DATA],
    ['PORT10,9,0,1,15,160\r\n', DATA],
    ['PORT    10,9,0,1,15,160\r\n', DATA],
    ['PORT 010,009,0,1,15,160\r\n', DATA],
    ['PORT 10,9,0,1,15,160,7\r\n', DATA],
    ['PORT 10,9,0,2,15,160\r\n', '10.9.0.2 4000 > 10.0.0.1 20 > 192.168.1.1 2120'],
    ['PORT 255,255,255,255,255,255\r\n', '255.255.255.255 65535 > 10.0.0.1 20 > 192.168.1.1 2120'],
    ['PORT 10,9,0,1,15,160', 'nothing'],
    ['PORT 10,9,0,1,15', 'nothing'],
    ['PORT 10,9,0,1,15\r\n', 'nothing'],
    ['PORT 10,9,0,1,,160\r\n', 'nothing'],
    ['PORT 10,9,0,1, 15,160\r\n', 'nothing'],
    ['PORT 10.9.0.1.15.160\r\n', 'nothing'],
    ['PORT 256,9,0,1,15,160\r\n', 'nothing'],
    ['PORT 10,9,0,1,15,256\r\n', 'nothing'],
    ['PORT 10,9,0,1,0,0\r\n', 'nothing'],
    ['PORT -1,9,0,1,15,160\r\n', 'nothing'],
    ['PORT x10,9,0,1,15,160\r\n', 'nothing'],
    ['PORT 99999999999999999999,9,0,1,15,160\r\n', 'nothing'],
    ['PORT \r\n', 'nothing'],
    ['PORT      ', 'nothing'],
    ['PORT', 'nothing'],
    [' PORT 10,9,0,1,15,160\r\n', 'nothing'],
    ['NOOP\r\nPORT 10,9,0,1,15,160\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1|4000|\r\n', DATA],
    ['eprt |1|10.9.0.1|4000|\r\n', DATA],
    ['EPRT   |1|10.9.0.1|4000|', DATA],
    ['EPRT !1!10.9.0.1!4000!\r\n', DATA],
    ['EPRT ~1~10.9.0.1~4000~\r\n', DATA],
    ['EPRT |1|10.9.0.1|04000|\r\n', DATA],
    ['EPRT |1|10.9.0.1|4000\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1|4000', 'nothing'],
    ['EPRT |1|10.9.0.1|0|\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1|65536|\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1|99999999999999999999|\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1||\r\n', 'nothing'],
    ['EPRT |1|10.9.0|4000|\r\n', 'nothing'],
    ['EPRT |1|10.9.0.1.|4000|\r\n', 'nothing'],
    ['EPRT |1||4000|\r\n', 'nothing'],
    ['EPRT |||4000|\r\n', 'nothing'],
    ['EPRT |2|10.9.0.1|4000|\r\n', 'nothing'],
    ['EPRT |2|fd09::1|4000|\r\n', 'nothing'],
    ['EPRT |1|fd09::1|4000|\r\n', 'nothing'],
    ['EPRT |11|10.9.0.1|4000|\r\n', 'nothing'],
    ['EPRT |1!10.9.0.1!4000!\r\n', 'nothing'],
    ['EPRT .1.10.9.0.1.4000.\r\n', 'nothing'],
    ['EPRT 11110.9.0.11400001\r\n', 'nothing'],
    ['EPRT \x7f1\x7f10.9.0.1\x7f4000\x7f\r\n', 'nothing'],
    ['EPRT|1|10.9.0.1|4000|\r\n', 'nothing'],
    [`EPRT |1|${'1'.repeat(1000)}|4000|\r\n`, 'nothing'],
    ['EPRT ', 'nothing'],
    ['EPRT', 'nothing'],
    ['EPRT |', 'nothing'],
    ['EPRT |1', 'nothing'],
    ['EPRT |1|', 'nothing'],
  ])('%j: %s', (text, expected) => {
    expect(request(text)).toBe(expected)
  })

  it.each([
    ['EPRT |2|fd09::1|4000|\r\n', 'fd09::1 4000 > fd00::1 20 > fd01::1 20'],
    ['EPRT |2|::ffff:10.9.0.1|4000|\r\n', '::ffff:10.9.0.1 4000 > fd00::1 20 > fd01::1 20'],
    [
      'EPRT |2|ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255|1|\r\n',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 1 > fd00::1 20 > fd01::1 20',
    ],
    ['EPRT |1|10.9.0.1|4000|\r\n', 'nothing'],
    ['EPRT |2|10.9.0.1|4000|\r\n', 'nothing'],
    ['EPRT :2:fd09::1:4000:\r\n', 'nothing'],
    ['PORT 10,9,0,1,15,160\r\n', 'nothing'],
  ])('over IPv6, %j: %s', (text, expected) => {
    expect(request(text, CONTROL_6)).toBe(expected)
  })
})

describe('findInReply', () => {
  const DATA = '10.9.0.1 0 > 10.0.0.1 40000 > 192.168.1.1 40000'
  it.each([
    [
      '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
      `${DATA}: 227 Entering Passive Mode (10,0,0,1,156,64).\r\n`,
    ],
    [
      '227 Entering Passive Mode 192,168,1,1,156,64\r\n',
      `${DATA}: 227 Entering Passive Mode 10,0,0,1,156,64\r\n`,
    ],
    ['227 =192,168,1,1,156,64\r\n', `${DATA}: 227 =10,0,0,1,156,64\r\n`],
    ['227 ((192,168,1,1,156,64)\r\n', `${DATA}: 227 ((10,0,0,1,156,64)\r\n`],
    ['227 (192,168,1,1,156,064)\r\n', `${DATA}: 227 (10,0,0,1,156,64)\r\n`],
    [
      '227 (192,168,1,7,156,64)\r\n',
      '10.9.0.1 0 > 10.0.0.1 40000 > 192.168.1.7 40000: 227 (10,0,0,1,156,64)\r\n',
    ],
    ['227 (192,168,1,1,0,21)', '10.9.0.1 0 > 10.0.0.1 21 > 192.168.1.1 21: 227 (10,0,0,1,0,21)'],
    ['227 (192,168,1,1,156,64', 'nothing'],
    ['227 (192,168,1,1,156)\r\n', 'nothing'],
    ['227 (192,168,1,1,0,0)\r\n', 'nothing'],
    ['227 (192,168,1,256,156,64)\r\n', 'nothing'],
    ['227 (x192,168,1,1,156,64)\r\n', 'nothing'],
    ['227 2 Passive (192,168,1,1,156,64)\r\n', 'nothing'],
    ['227-Entering (192,168,1,1,156,64)\r\n', 'nothing'],
    ['227 Entering Passive Mode\r\n', 'nothing'],
    ['227 (', 'nothing'],
    ['227 ', 'nothing'],
    ['227', 'nothing'],
    ['226 (192,168,1,1,156,64)\r\n', 'nothing'],
    [' 227 (192,168,1,1,156,64)\r\n', 'nothing'],
    ['\x12\x12\x17\x00(192,168,1,1,156,64)\r\n', 'nothing'],
    ['229 (|||40000|)\r\n', 'nothing'],
    ['', 'nothing'],
  ])('in passive mode, %j: %s', (text, expected) => {
    expect(reply(text, 'passive')).toBe(expected)
  })

  it.each([
    [
      '229 Entering Extended Passive Mode (|||40000|)\r\n',
      `${DATA}: 229 Entering Extended Passive Mode (|||40000|)\r\n`,
    ],
    ['229 (!!!40000!)\r\n', `${DATA}: 229 (|||40000|)\r\n`],
    ['229 (|||040000|)\r\n', `${DATA}: 229 (|||40000|)\r\n`],
    [
      '229 ok (|1|192.168.1.7|40000|)\r\n',
      '10.9.0.1 0 > 10.0.0.1 40000 > 192.168.1.7 40000: 229 ok (|||40000|)\r\n',
    ],
    ['229 (||192.168.1.7|40000|)\r\n', 'nothing'],
    ['229 (|2|fd01::1|40000|)\r\n', 'nothing'],
    ['229 |||40000|\r\n', 'nothing'],
    ['229 ( |||40000|)\r\n', 'nothing'],
    ['229 (|||0|)\r\n', 'nothing'],
    ['229 (|||65536|)\r\n', 'nothing'],
    ['229 (|||40000)\r\n', 'nothing'],
    ['229 (|||40000', 'nothing'],
    ['229 (||', 'nothing'],
    ['229 (', 'nothing'],
    ['229 ', 'nothing'],
    ['227 (192,168,1,1,156,64)\r\n', 'nothing'],
  ])('in extended passive mode, %j: %s', (text, expected) => {
    expect(reply(text, 'extended-passive')).toBe(expected)
  })

  it('reads nothing in active mode', () => {
    expect(reply('227 (192,168,1,1,156,64)\r\n', 'active')).toBe('nothing')
    expect(reply('229 (|||40000|)\r\n', 'active')).toBe('nothing')
  })

  it('reads no IPv4 address over IPv6', () => {
    expect(reply('227 (192,168,1,1,156,64)\r\n', 'passive', CONTROL_6)).toBe('nothing')
  })

  it('gives the server’s own address over IPv6 too, or the one it names', () => {
    const own = '229 Extended Passive Mode OK (|||40000|)\r\n'
    expect(reply(own, 'extended-passive', CONTROL_6)).toBe(
      `fd09::1 0 > fd00::1 40000 > fd01::1 40000: ${own}`,
    )
    expect(reply('229 (|2|fd01::7|40000|)', 'extended-passive', CONTROL_6)).toBe(
      'fd09::1 0 > fd00::1 40000 > fd01::7 40000: 229 (|||40000|)',
    )
  })
})
