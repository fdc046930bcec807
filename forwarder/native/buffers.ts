import { SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE, SOL_SOCKET } from './constants.ts'
import { attempt, type Seam } from './seam.ts'

const OPTIONS = {
  receive: { force: SO_RCVBUFFORCE, plain: SO_RCVBUF },
  send: { force: SO_SNDBUFFORCE, plain: SO_SNDBUF },
} as const

/**
 * Makes a socket's buffer `bytes` large: beyond the system's limit (net.core.rmem_max, wmem_max) where the process may
 * (CAP_NET_ADMIN), else up to it. Returns the size in use, which counts the kernel's own bookkeeping and is double.
 */
export function enlargeBuffer(
  seam: Seam,
  fd: number,
  direction: keyof typeof OPTIONS,
  bytes: number,
): number {
  const { force, plain } = OPTIONS[direction]
  if (seam.setOption(fd, SOL_SOCKET, force, bytes) < 0) {
    attempt(`set the size of a ${direction} buffer`, seam.setOption(fd, SOL_SOCKET, plain, bytes))
  }
  return attempt(`read the size of a ${direction} buffer`, seam.getOption(fd, SOL_SOCKET, plain))
}
