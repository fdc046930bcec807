/** The native seam, typed: the only place where uipvs calls the operating system for packets. See native/seam.c. */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { fileURLToPath } from 'node:url'
import { getSystemErrorMap } from 'node:util'

/**
 * Every function returns 0 or more on success and a negative errno on failure; none throws. Descriptors belong to
 * the thread that opened them and are closed when it ends. Usable from any number of worker threads at once.
 */
export interface Seam {
  /** A socket's descriptor, closed on exec. */
  open(domain: number, type: number, protocol: number): number
  /** Closes what this thread opened; any other descriptor is -EBADF. */
  close(fd: number): number
  setOption(fd: number, level: number, name: number, value: number): number
  /** The value of an option that is a non-negative int. */
  getOption(fd: number, level: number, name: number): number
  /** Binds a netlink socket to a port id of the kernel's choice; `groups` is the mask of multicast groups. */
  bindNetlink(fd: number, groups: number): number
  /** Binds a packet socket to a device and an EtherType in host order. */
  bindPacket(fd: number, deviceIndex: number, protocol: number): number
  /**
   * Receives up to `slots` (at most 256) datagrams without waiting: datagram i lies at
   * `i * slotBytes + slotHeadroomBytes` of `area`, and `lengths[i]` is its true length, which exceeds the slot's room
   * where its end was cut off. Returns how many came, 0 when none waits.
   */
  receiveBatch(
    fd: number,
    area: Uint8Array,
    slotBytes: number,
    slotHeadroomBytes: number,
    slots: number,
    lengths: Int32Array,
  ): number
  /** Sends `count` (at most 1024) pairs of offset and length, in order, as *one* datagram. Returns the bytes sent. */
  sendRanges(fd: number, area: Uint8Array, ranges: Int32Array, count: number): number
  /**
   * Sends each of `count` (at most 256) ranges as a datagram of its own, to the socket address at
   * `i * addressBytes` of `addresses`, without waiting. `results[i]` becomes 0 or the negative errno of datagram i.
   * Returns how many left.
   */
  sendEach(
    fd: number,
    area: Uint8Array,
    ranges: Int32Array,
    addresses: Uint8Array,
    addressBytes: number,
    results: Int32Array,
    count: number,
  ): number
  /**
   * Makes an open `/dev/net/tun` the tun device `name`: 16 octets, NUL behind its text. They become the name that the kernel
   * gave, where a pattern such as `tun%d` was asked for.
   */
  attachTun(fd: number, name: Uint8Array): number
  /**
   * Waits until one of `count` (at most 256) descriptors is readable or broken; `ready[i]` becomes its events. Returns
   * how many are ready; 0 after the timeout or an interrupting signal. Negative descriptors are left out, and a
   * negative timeout waits without limit.
   */
  poll(fds: Int32Array, ready: Int32Array, count: number, timeoutMs: number): number
  /** A descriptor that poll finds ready once signalled, until drained. */
  eventfd(): number
  /** Wakes whoever polls the eventfd; callable from any thread. */
  signal(fd: number): number
  /** Resets the eventfd; how often it was signalled since the last time. */
  drain(fd: number): number
}

/** Loads the native seam; throws an Error that says how to build it where it is missing. */
export function loadSeam(): Seam {
  if (endianness() !== 'LE') {
    throw new Error(
      `uipvs reads netlink messages on little-endian machines only; this ${process.arch} is big-endian`,
    )
  }
  const path = ADDON_PATHS.find((each) => existsSync(each))
  if (path === undefined) {
    throw new Error(
      `the native addon ${ADDON_PATHS[0]} is missing: run 'node scripts/build-native.mjs' in the package`,
    )
  }
  return createRequire(import.meta.url)(path) as Seam
}

/** Seen from forwarder/native/ in the sources, and from dist/forwarder/native/ once built. */
const ADDON_PATHS = ['../../native/build/seam.node', '../../../native/build/seam.node'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

/** A system call that failed: what was attempted, and the errno's name as `code`. */
export class SystemError extends Error {
  override readonly name = 'SystemError'
  readonly code: string

  /** @param errno as a positive number */
  constructor(attempted: string, errno: number) {
    const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'see errno(3)']
    super(`cannot ${attempted}: ${code} (${text})`)
    this.code = code
  }
}

/** The result of a call of the seam, or a thrown {@link SystemError}: `cannot <attempted>: EPERM (…)`. */
export function attempt(attempted: string, result: number): number {
  if (result < 0) throw new SystemError(attempted, -result)
  return result
}
