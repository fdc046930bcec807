/**
 * A tun device: a network device whose packets a program reads and writes. Linux only; for balancers that are
 * a device.
 */

import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'
import { attempt, loadSeam, type Seam } from './native/seam.ts'

/** Packets are whole IP packets, each with nothing in front of its IP header and its checksums finished. */
export interface Tun {
  /** As the kernel calls the device; it goes away with {@link Tun.close}. */
  readonly name: string
  /**
   * Waits until a packet can be read, at most `timeoutMs`; a negative one waits without limit. Returns
   * whether one can.
   */
  wait(timeoutMs: number): boolean
  /**
   * Reads the next packet into `bytes` from `start` on and returns its length, 0 where none waits. What does
   * not fit is lost: room for the device's MTU is enough.
   */
  read(bytes: Uint8Array, start?: number): number
  /**
   * Writes the packet `[start, end)`. Returns false where the device has no room for it, or is down: then it
   * is lost.
   */
  write(bytes: Uint8Array, start: number, end: number): boolean
  /** Does nothing the second time. */
  close(): void
}

const DEVICE = '/dev/net/tun'
const NAME_BYTES = 16

/** What each error means, by what was attempted. */
const MEANING = {
  open: {
    ENOENT: 'the kernel has no tun devices: modprobe tun; a container needs --device /dev/net/tun',
    ENODEV: 'the kernel has no tun devices: modprobe tun',
    EACCES: 'it takes root',
    EPERM: 'a container needs --device /dev/net/tun',
  },
  attach: {
    EPERM: 'it takes CAP_NET_ADMIN: run it as root; a container needs --cap-add NET_ADMIN',
    EBUSY: 'another program has it open',
    EINVAL: 'there is a device of that name, and it is no tun device',
  },
  read: { EBADFD: 'the device is gone' },
  write: { EBADFD: 'the device is gone', EINVAL: 'that is no IP packet' },
} as const satisfies Record<string, Record<string, string>>

/** An error that Node has no name for: a descriptor whose device was deleted. */
const UNNAMED = { errno: -77, code: 'EBADFD' } as const

/** What write(2) answers where this one packet was lost, and the next may not be. */
const LOST: ReadonlySet<string> = new Set(['EAGAIN', 'EIO', 'ENOBUFS', 'ENOMEM'])

/**
 * Makes the tun device `name`, or opens it where it is there already; of a pattern such as `tun%d`, the
 * kernel fills in the number. It still has to be set up and given routes (`ip link set NAME up`). Throws an
 * Error that says what is missing.
 */
export function openTun(name: string): Tun {
  const seam = loadSeam()
  const octets = nameOctets(name)
  const fd = opened()
  try {
    attempt('attach', seam.attachTun(fd, octets))
  } catch (error) {
    closeSync(fd)
    throw failure('attach', `make the tun device ${name}`, error)
  }
  return new TunDevice(seam, fd, new TextDecoder().decode(octets.subarray(0, octets.indexOf(0))))
}

class TunDevice implements Tun {
  readonly name: string
  readonly #seam: Seam
  readonly #fds: Int32Array
  readonly #ready = new Int32Array(1)
  #isOpen = true

  constructor(seam: Seam, fd: number, name: string) {
    this.#seam = seam
    this.#fds = Int32Array.of(fd)
    this.name = name
  }

  wait(timeoutMs: number): boolean {
    return attempt(`wait for ${this.name}`, this.#seam.poll(this.#open(), this.#ready, 1, timeoutMs)) > 0
  }

  read(bytes: Uint8Array, start = 0): number {
    // Asked first, since a read of nothing is an exception, which costs more than the question.
    if (!this.wait(0)) return 0
    const fd = this.#fd()
    try {
      return readSync(fd, bytes, start, bytes.length - start, null)
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return 0
      throw failure('read', `read from ${this.name}`, error)
    }
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    const fd = this.#fd()
    try {
      return writeSync(fd, bytes, start, end - start, null) === end - start
    } catch (error) {
      if (LOST.has(codeOf(error))) return false
      throw failure('write', `write ${end - start} bytes to ${this.name}`, error)
    }
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeSync(this.#fds[0] as number)
  }

  #open(): Int32Array {
    if (!this.#isOpen) throw new Error(`the tun device ${this.name} is closed`)
    return this.#fds
  }

  #fd(): number {
    return this.#open()[0] as number
  }
}

function opened(): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK)
  } catch (error) {
    throw failure('open', `open ${DEVICE}`, error)
  }
}

/** As the kernel takes it: padded with NUL, of which there is one at least. */
function nameOctets(name: string): Uint8Array {
  const octets = new TextEncoder().encode(name)
  if (octets.length === 0 || octets.length >= NAME_BYTES || /^\.{1,2}$|[\s/:\0]/.test(name)) {
    throw new RangeError(
      `tun device name '${name}': expected 1 to ${NAME_BYTES - 1} octets without spaces, slashes and colons`,
    )
  }
  const padded = new Uint8Array(NAME_BYTES)
  padded.set(octets)
  return padded
}

/** `cannot <attempted>: EPERM: <what that means here>`. */
function failure(attempt: keyof typeof MEANING, attempted: string, cause: unknown): Error {
  const code = codeOf(cause)
  const meanings: Readonly<Record<string, string>> = MEANING[attempt]
  const meaning = meanings[code]
  return new Error(`cannot ${attempted}: ${code}${meaning === undefined ? '' : `: ${meaning}`}`, { cause })
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error && 'code' in error)) return String(error)
  return 'errno' in error && error.errno === UNNAMED.errno ? UNNAMED.code : String(error.code)
}
