import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  AF_INET,
  AF_NETLINK,
  EINVAL,
  NETLINK_ROUTE,
  SOCK_DGRAM,
  SOCK_RAW,
} from '../../../forwarder/native/constants.ts'
import { attempt, loadSeam, type Seam, SystemError } from '../../../forwarder/native/seam.ts'
import { linkRequest } from '../../../forwarder/netlink/rtnetlink.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const EBADF = 9
const ENOTTY = 25

let seam: Seam

beforeAll(() => {
  spawnSync(process.execPath, ['scripts/build-native.mjs'], { cwd: ROOT, stdio: 'inherit' })
  seam = loadSeam()
})

const openNetlink = () => {
  const fd = attempt('open a netlink socket', seam.open(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))
  attempt('bind a netlink socket', seam.bindNetlink(fd, 0))
  return fd
}

describe('sockets of the seam', () => {
  it('send ranges as one datagram, and receive into slots behind their headroom', () => {
    const fd = openNetlink()
    const request = linkRequest('lo').finish(77)
    const area = new Uint8Array(1 << 16)
    area.set(request.subarray(0, 10), 100)
    area.set(request.subarray(10), 500)
    const ranges = Int32Array.of(100, 10, 500, request.length - 10)
    expect(seam.sendRanges(fd, area, ranges, 2)).toBe(request.length)
    expect(seam.poll(Int32Array.of(fd), new Int32Array(1), 1, 1000)).toBe(1)
    const lengths = new Int32Array(2)
    expect(seam.receiveBatch(fd, area, 1 << 15, 64, 2, lengths)).toBe(2)
    const view = new DataView(area.buffer)
    expect(view.getUint16(64 + 4, true)).toBe(16)
    expect(view.getUint32(64, true)).toBe(lengths[0])
    expect(view.getUint16((1 << 15) + 64 + 4, true)).toBe(2)
    expect(seam.receiveBatch(fd, area, 1 << 15, 64, 2, lengths)).toBe(0)
    expect(seam.close(fd)).toBe(0)
  })

  it('tell the true length of a datagram that its slot cut short', () => {
    const fd = openNetlink()
    const request = linkRequest('lo').finish(1)
    seam.sendRanges(fd, request, Int32Array.of(0, request.length), 1)
    const lengths = new Int32Array(1)
    expect(seam.receiveBatch(fd, new Uint8Array(100), 100, 0, 1, lengths)).toBe(1)
    expect(lengths[0]).toBeGreaterThan(500)
    seam.close(fd)
  })

  it('send each range to its own address, and say what became of each', () => {
    const fd = attempt('open a UDP socket', seam.open(AF_INET, SOCK_DGRAM, 0))
    // 127.0.0.1:9, and the unspecified family, to which nothing can be sent.
    const addresses = new Uint8Array(48)
    addresses.set([2, 0, 0, 9, 127, 0, 0, 1], 0)
    addresses.set([99, 0, 0, 9, 127, 0, 0, 1], 16)
    addresses.set([2, 0, 0, 9, 127, 0, 0, 1], 32)
    const results = new Int32Array(3).fill(1)
    expect(
      seam.sendEach(fd, new Uint8Array(3), Int32Array.of(0, 1, 1, 1, 2, 1), addresses, 16, results, 3),
    ).toBe(2)
    expect(results[0]).toBe(0)
    expect(results[1]).toBeLessThan(0)
    expect(results[2]).toBe(0)
    seam.close(fd)
  })

  it('are closed by who opened them only', () => {
    expect(seam.close(0)).toBe(-EBADF)
    const fd = openNetlink()
    expect(seam.close(fd)).toBe(0)
    expect(seam.close(fd)).toBe(-EBADF)
  })
})

describe('the seam refuses, without reading or writing a byte', () => {
  const area = new Uint8Array(100)
  const ok = new Int32Array(4)

  it.each([
    ['a range that ends behind the area', Int32Array.of(90, 11)],
    ['a range that begins before the area', Int32Array.of(-1, 5)],
    ['a range of negative length', Int32Array.of(5, -1)],
    ['a range whose end overflows', Int32Array.of(0x7fffffff, 0x7fffffff)],
  ])('%s', (_title, ranges) => {
    expect(seam.sendRanges(0, area, ranges, 1)).toBe(-EINVAL)
    expect(seam.sendEach(0, area, ranges, new Uint8Array(16), 16, ok, 1)).toBe(-EINVAL)
  })

  it('more ranges, addresses or results than there are', () => {
    expect(seam.sendRanges(0, area, ok, 3)).toBe(-EINVAL)
    expect(seam.sendRanges(0, area, ok, -1)).toBe(-EINVAL)
    expect(seam.sendRanges(0, area, new Int32Array(4096), 1025)).toBe(-EINVAL)
    expect(seam.sendEach(0, area, ok, new Uint8Array(31), 16, ok, 2)).toBe(-EINVAL)
    expect(seam.sendEach(0, area, ok, new Uint8Array(32), 16, new Int32Array(1), 2)).toBe(-EINVAL)
    expect(
      seam.sendEach(0, area, new Int32Array(1024), new Uint8Array(8192), 16, new Int32Array(512), 257),
    ).toBe(-EINVAL)
  })

  it('slots that the area does not hold', () => {
    expect(seam.receiveBatch(0, area, 51, 0, 2, ok)).toBe(-EINVAL)
    expect(seam.receiveBatch(0, area, 50, 50, 2, ok)).toBe(-EINVAL)
    expect(seam.receiveBatch(0, area, 50, -1, 2, ok)).toBe(-EINVAL)
    expect(seam.receiveBatch(0, area, 10, 0, 5, ok)).toBe(-EINVAL)
    expect(seam.receiveBatch(0, area, 10, 0, 0, ok)).toBe(-EINVAL)
    expect(seam.receiveBatch(0, new Uint8Array(300), 1, 0, 257, new Int32Array(300))).toBe(-EINVAL)
  })

  it('names of tun devices that are not 16 octets with a NUL at their end, and descriptors that are no tun', () => {
    expect(seam.attachTun(0, new Uint8Array(15))).toBe(-EINVAL)
    expect(seam.attachTun(0, new Uint8Array(17))).toBe(-EINVAL)
    expect(seam.attachTun(0, new Uint8Array(16).fill(0x61))).toBe(-EINVAL)
    expect(seam.attachTun(-1, new Uint8Array(16))).toBe(-EBADF)
    const fd = openNetlink()
    expect(seam.attachTun(fd, new Uint8Array(16))).toBe(-ENOTTY)
    seam.close(fd)
  })

  it('arguments of another type', () => {
    expect(seam.poll(new Uint8Array(4) as unknown as Int32Array, ok, 1, 0)).toBe(-EINVAL)
    expect(seam.open('1' as unknown as number, 2, 0)).toBe(-EINVAL)
    expect((seam.close as () => number)()).toBe(-EINVAL)
    expect(seam.poll(ok, new Int32Array(1), 2, 0)).toBe(-EINVAL)
  })
})

describe('an eventfd', () => {
  it('is ready from the first signal until it is drained', () => {
    const fd = seam.eventfd()
    const fds = Int32Array.of(fd, -1)
    const ready = new Int32Array(2)
    expect(seam.poll(fds, ready, 2, 0)).toBe(0)
    expect(seam.signal(fd)).toBe(0)
    expect(seam.signal(fd)).toBe(0)
    expect(seam.poll(fds, ready, 2, -1)).toBe(1)
    expect([...ready]).toEqual([1, 0])
    expect(seam.drain(fd)).toBe(2)
    expect(seam.drain(fd)).toBe(0)
    expect(seam.poll(fds, ready, 2, 0)).toBe(0)
    expect([...ready]).toEqual([0, 0])
    seam.close(fd)
  })

  it('wakes a worker thread that polls, and what the worker opened is closed when it ends', async () => {
    const fd = seam.eventfd()
    const openBefore = readdirSync('/proc/self/fd').length
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads')
       const seam = require(workerData.addon)
       for (let n = 0; n < 50; n++) seam.open(16, 3, 0)
       parentPort.postMessage('open')
       parentPort.postMessage(seam.poll(Int32Array.of(workerData.fd), new Int32Array(1), 1, 10_000))`,
      { eval: true, workerData: { fd, addon: `${ROOT}/native/build/seam.node` } },
    )
    expect(await once(worker, 'message')).toEqual(['open'])
    seam.signal(fd)
    expect(await once(worker, 'message')).toEqual([1])
    await once(worker, 'exit')
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(openBefore + 50)
    expect(seam.close(fd)).toBe(0)
  })
})

describe('attempt', () => {
  it('passes on what succeeded', () => {
    expect(attempt('open', 5)).toBe(5)
  })

  it('names what was attempted and the errno', () => {
    const run = () => attempt('open a raw IPv4 socket', -1)
    expect(run).toThrow('cannot open a raw IPv4 socket: EPERM (operation not permitted)')
    expect(run).toThrow(expect.objectContaining({ code: 'EPERM' }))
  })

  it('gives the number of an errno without a name', () => {
    expect(new SystemError('try', 4000).message).toBe('cannot try: errno 4000 (see errno(3))')
  })
})
