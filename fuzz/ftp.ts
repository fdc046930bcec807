/** The FTP helper as a target: control connections of any text and any header, both ways. */

import fc from 'fast-check'
import type { FtpControl } from '../lib/apps/ftp.ts'
import { FtpSession } from '../lib/apps/ftp-session.ts'
import { growthOf } from '../lib/apps/replace.ts'
import { parseAddress } from '../lib/bytes/address.ts'
import { OFFLOAD } from '../lib/encode/offload.ts'
import { Packet } from '../lib/wire/packet.ts'
import { printPacket } from '../lib/wire/print.ts'
import { PROTOCOL } from '../lib/wire/protocol.ts'
import { ipv4ChecksumIsValid, transportChecksumIsValid } from '../lib/wire/transport-checksum.ts'
import { fromHex, octets, tcp4, tcp6, toHex } from '../test/support/packets.ts'
import { mutated, mutation } from './mutation.ts'
import { must, type Tally, type Target } from './target.ts'

interface Control {
  readonly segments: readonly {
    readonly hex: string
    readonly isRequest: boolean
    readonly roomBytes: number
  }[]
}

export const ftp: Target<Control> = {
  about: 'the FTP helper: text, sessions, sequence numbers',
  share: 1,
  cases: () =>
    fc.array(segment(), { minLength: 1, maxLength: 12, size: 'max' }).map((segments) => ({ segments })),
  check: ({ segments }, tally) => {
    const [first, second] = [play(segments, 0xa5, tally), play(segments, 0x5a)]
    must(
      first === second,
      () => `what becomes of it does not depend on what lies behind:\n${first}\n${second}`,
    )
  },
  describe: ({ segments }) =>
    segments.map(
      ({ hex, isRequest }) => `${isRequest ? 'client' : 'server'}: ${printPacket(fromHex(hex))} ${hex}`,
    ),
}

const SENTENCES = [
  'PASV\r\n',
  'EPSV\r\n',
  'EPSV 1\r\n',
  'EPSV 2\r\n',
  'PORT 10,9,0,1,15,160\r\n',
  'EPRT |1|10.9.0.1|4000|\r\n',
  'EPRT |2|fd09::1|4000|\r\n',
  '227 Entering Passive Mode (192,168,1,1,156,64).\r\n',
  '227 =192,168,1,1,156,64\r\n',
  '229 Entering Extended Passive Mode (|||40001|)\r\n',
  '229 (|2|fd01::1|40001|)\r\n',
  '200 hello\r\n',
  '',
]
const SACKS = ['', '0101050a 00000064 000000c8', '0402080a0000000100000000', '05ff']

const segment = (): fc.Arbitrary<Control['segments'][number]> =>
  fc
    .record({
      isIpv4: fc.boolean(),
      text: fc
        .tuple(fc.constantFrom(...SENTENCES), fc.constantFrom('', ...SENTENCES))
        .map((two) => two.join('')),
      flags: fc.constantFrom('PA', 'A', 'S', ''),
      sequence: fc.constantFrom(100, 106, 148, 0xffff_fff0),
      acknowledgment: fc.constantFrom(100, 148, 0xffff_fff0),
      sack: fc.constantFrom(...SACKS),
      mutations: fc.array(mutation(), { maxLength: 2 }),
      isRequest: fc.boolean(),
      roomBytes: fc.constantFrom(40, 0, 1, 12),
    })
    .map(({ isIpv4, text, sack, mutations, isRequest, roomBytes, ...numbers }) => {
      const source = isIpv4 ? '10.9.0.1:3000' : '[fd09::1]:3000'
      const destination = isIpv4 ? '10.0.0.1:21' : '[fd00::1]:21'
      const options = {
        ...numbers,
        source,
        destination,
        tcpOptions: fromHex(padded(sack)),
        payload: octets(text),
      }
      return { hex: toHex(mutated((isIpv4 ? tcp4 : tcp6)(options), mutations)), isRequest, roomBytes }
    })

/** To a multiple of 4 octets, as the options of TCP are. */
const padded = (hex: string): string => {
  const digits = hex.replaceAll(' ', '')
  return digits.padEnd(Math.ceil(digits.length / 8) * 8, '0')
}

const CONTROLS = {
  4: controlOf(4, '10.9.0.1', '10.0.0.1', '192.168.1.1'),
  6: controlOf(6, 'fd09::1', 'fd00::1', 'fd01::1'),
} as const

function controlOf(family: 4 | 6, client: string, virtual: string, destination: string): FtpControl {
  const [one, two, three] = [client, virtual, destination].map((text) => parseAddress(text)!)
  return { family, client: one!, virtual: two!, virtualPort: 21, destination: three!, destinationPort: 21 }
}

function play(segments: Control['segments'], garbage: number, tally?: Tally): string {
  const sessions = { 4: new FtpSession(), 6: new FtpSession() }
  const packet = new Packet()
  const lines: string[] = []
  for (const { hex, isRequest, roomBytes } of segments) {
    const came = fromHex(hex)
    const memory = new Uint8Array(came.length + roomBytes + 16).fill(garbage)
    memory.set(came)
    if (packet.read(memory, 0, came.length) !== null || packet.protocol !== PROTOCOL.tcp || packet.isFragment)
      continue
    const wasValid = ipv4ChecksumIsValid(packet) && transportChecksumIsValid(packet)
    // As the director has it: text is looked at where the checksum was right.
    if (!wasValid) continue
    const session = sessions[packet.family]
    const control = CONTROLS[packet.family]
    const cameEnd = packet.end
    const writableEnd = cameEnd + roomBytes
    const finding = isRequest ? session.readRequest(packet, control) : session.readReply(packet, control)
    tally?.count(finding === null ? 'nothing found' : finding.replace === null ? finding.mode : 'replaced')
    const growth = finding?.replace ? growthOf(finding.replace) : 0
    const isReplaced =
      finding?.replace != null &&
      session.replace(packet, finding.replace, { offload: OFFLOAD.finished, writableEnd })
    must(packet.end === cameEnd + (isReplaced ? growth : 0), () => `the packet ends at ${packet.end}`)
    const wasUnshifted = session.isUnshifted
    const before = toHex(memory)
    if (isRequest) session.adjustRequest(packet, OFFLOAD.finished)
    else session.adjustReply(packet, OFFLOAD.finished)
    must(!wasUnshifted || toHex(memory) === before, 'an unshifted session changes no number')
    const out = memory.subarray(0, packet.end)
    must(packet.read(memory, 0, packet.end) === null, () => `what goes on is sound: ${toHex(out)}`)
    must(
      ipv4ChecksumIsValid(packet) && transportChecksumIsValid(packet),
      () => `the checksums of what goes on are right: ${toHex(out)}`,
    )
    must(
      memory.subarray(Math.max(writableEnd, came.length)).every((octet) => octet === garbage),
      'nothing is written beyond the room',
    )
    lines.push(`${session.mode} ${toHex(out)}`)
  }
  return lines.join('\n')
}
