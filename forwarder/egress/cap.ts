import { createRequire } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { writeU16 } from '../../lib/bytes/octets.ts'
import { RouteSocket } from '../netlink/route-socket.ts'
import type { EgressOptions, Hop } from './egress.ts'
import { etherTypeOf } from './frame.ts'
import { type FrameSender, type LinkCounters, LinkEgress, noLinkCounters } from './link-egress.ts'
import { Neighbours } from './neighbours.ts'

/** What we use of the npm package `cap` 0.2, which brings no types. */
interface CapPackage {
  readonly Cap: new () => Cap
}

interface Cap {
  open(device: string, filter: string, bufferBytes: number, buffer: Buffer): string
  /** Throws where the frame could not leave. */
  send(frame: Buffer, length: number): void
  close(): void
}

const ETHERNET_HEADER_BYTES = 14
const ETHERNET_ADDRESS_BYTES = 6
const FRAME_MAX_BYTES = ETHERNET_HEADER_BYTES + 0xffff

/** Devices kept open for sending; more destinations' devices than this are refused. */
const DEVICES_MAX = 64

/** The package cannot send without capturing; no packet is shorter than this, so none is captured. */
const CAPTURE_NOTHING = 'less 1'
const CAPTURE_BUFFER_BYTES = 65_536

/**
 * Frames through libpcap by the npm package `cap` (an optional dependency), a call for each: a second opinion on the
 * frame driver. Ethernet only, in the main thread only; it puts every device it sends through into promiscuous mode,
 * as the package offers no other.
 */
export function openCapEgress({ nowMs }: EgressOptions): LinkEgress {
  const counters = noLinkCounters()
  const sender = new CapSender(loadPackage(), counters)
  return new LinkEgress('cap', { sender, counters, neighbours: new Neighbours(nowMs), nowMs })
}

function loadPackage(): CapPackage {
  if (!isMainThread) throw new Error('the cap driver works in the main thread only; run without workers')
  try {
    return createRequire(import.meta.url)('cap') as CapPackage
  } catch (cause) {
    throw new Error(
      "the cap driver needs the npm package cap: 'npm install cap', after apt-get install g++ make python3 libpcap-dev",
      { cause },
    )
  }
}

interface Device {
  readonly cap: Cap
  /** A frame with the device's own address as source; reused for every packet. */
  readonly frame: Buffer
  readonly mtuBytes: number
}

class CapSender implements FrameSender {
  readonly #package: CapPackage
  readonly #counters: LinkCounters
  readonly #kernel = new RouteSocket()
  readonly #devices = new Map<number, Device>()
  /** The package writes to it without keeping it alive. */
  readonly #captured = Buffer.alloc(CAPTURE_BUFFER_BYTES)

  constructor(cap: CapPackage, counters: LinkCounters) {
    this.#package = cap
    this.#counters = counters
  }

  send(hop: Hop, neighbour: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
    const device = this.#devices.get(hop.deviceIndex) ?? this.#open(hop.deviceIndex)
    if (device === null) {
      this.#counters.failed++
      return false
    }
    const length = end - start
    if (length > device.mtuBytes) {
      this.#counters.tooLong++
      return false
    }
    const { frame } = device
    frame.set(neighbour, 0)
    writeU16(frame, 2 * ETHERNET_ADDRESS_BYTES, etherTypeOf(bytes, start))
    frame.set(bytes.subarray(start, end), ETHERNET_HEADER_BYTES)
    try {
      device.cap.send(frame, ETHERNET_HEADER_BYTES + length)
    } catch {
      // The package throws libpcap's text for any failing send, such as a device that is down: one lost packet.
      this.#counters.failed++
      return false
    }
    this.#counters.sent++
    return true
  }

  /** Nothing is gathered. */
  flush(): void {}

  close(): void {
    for (const { cap } of this.#devices.values()) cap.close()
    this.#devices.clear()
    this.#kernel.close()
  }

  /** Opens the device, or null where it is gone, is no Ethernet device, or would be one too many. */
  #open(deviceIndex: number): Device | null {
    const link = this.#kernel.link(deviceIndex)
    const isEthernet = link?.hasNeighbours === true && link.address.length === ETHERNET_ADDRESS_BYTES
    if (!isEthernet || this.#devices.size === DEVICES_MAX) return null
    const cap = new this.#package.Cap()
    cap.open(link.name, CAPTURE_NOTHING, CAPTURE_BUFFER_BYTES, this.#captured)
    const frame = Buffer.alloc(FRAME_MAX_BYTES)
    frame.set(link.address, ETHERNET_ADDRESS_BYTES)
    const device = { cap, frame, mtuBytes: link.mtuBytes }
    this.#devices.set(deviceIndex, device)
    return device
  }
}
