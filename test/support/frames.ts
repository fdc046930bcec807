/** Frames onto the wire as they are, whatever their content: by socat's packet socket. */

import type { Host } from './lab/addresses.ts'
import type { Lab } from './lab/lab.ts'
import { concat } from './packets.ts'

/** What a pipe takes in one piece: more could be cut where no frame ends. */
const PIPE_BYTES = 65_536

/** Sends packets from the client to the director's front device, in their order, each behind an Ethernet header. */
export async function inject(lab: Lab, packets: readonly Uint8Array[]): Promise<void> {
  const stations = concat(await hardwareAddress(lab, 'director'), await hardwareAddress(lab, 'client'))
  const frames = packets.map((packet) => concat(stations, etherTypeOf(packet), packet))
  for (let from = 0; from < frames.length; ) {
    // socat makes a frame of what it reads at a time, so that a run of one length can share a pipe.
    const bytes = frames[from]!.length
    let to = from + 1
    while (frames[to]?.length === bytes && (to + 1 - from) * bytes <= PIPE_BYTES) to++
    const argv = ['socat', '-u', '-b', String(bytes), 'STDIN', 'INTERFACE:front']
    await lab.exec('client', argv, { input: concat(...frames.slice(from, to)) })
    from = to
  }
}

const etherTypeOf = (packet: Uint8Array): Uint8Array =>
  Uint8Array.from(packet[0]! >>> 4 === 6 ? [0x86, 0xdd] : [0x08, 0x00])

async function hardwareAddress(lab: Lab, host: Host): Promise<Uint8Array> {
  const { stdout } = await lab.exec(host, ['cat', '/sys/class/net/front/address'])
  return Uint8Array.from(stdout.trim().split(':'), (pair) => Number.parseInt(pair, 16))
}
