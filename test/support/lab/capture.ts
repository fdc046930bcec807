/** tcpdump on a device of the laboratory, its packets as {@link Frame}s. */

import type { Host } from './addresses.ts'
import type { Lab } from './lab.ts'
import { type Frame, PcapReader } from './pcap.ts'

export interface Capture {
  /** What has been captured so far. */
  readonly frames: readonly Frame[]
  /** Waits for frames for which `isWanted`; throws when `count` of them have not come within `timeoutMs` (3 s). */
  wait(isWanted: (frame: Frame) => boolean, options?: WaitOptions): Promise<Frame[]>
  /** Ends the capture; everything that crossed the device before the call is in the frames returned. */
  stop(): Promise<readonly Frame[]>
}

export interface WaitOptions {
  readonly count?: number
  readonly timeoutMs?: number
}

const READY_MS = 5000

/** See {@link Lab.capture}. `filter` is in the words of pcap-filter(7). */
export async function startCapture(lab: Lab, host: Host, device: string, filter: string): Promise<Capture> {
  const reader = new PcapReader()
  const frames: Frame[] = []
  const options = ['--immediate-mode', '--packet-buffered', '-n', '-i', device, '-w', '-']
  const program = lab.spawn(host, ['tcpdump', ...options, ...(filter === '' ? [] : [filter])], {
    onStdout: (chunk) => frames.push(...reader.push(chunk)),
  })
  // tcpdump says so after it has opened the device and set the filter.
  await program.until('capture', () => program.stderr.includes('listening on'), READY_MS)
  return {
    frames,
    async wait(isWanted, { count = 1, timeoutMs = 3000 } = {}) {
      const wanted = () => frames.filter(isWanted)
      await program.until(
        `${count} wanted frames among ${frames.length}`,
        () => wanted().length >= count,
        timeoutMs,
      )
      return wanted()
    },
    async stop() {
      if (!program.isRunning) return frames
      // On SIGUSR1 tcpdump reports; it has caught up once it has read all that its filter received.
      let reported = 0
      let caughtUp = false
      while (!caughtUp) {
        reported = program.stderr.length
        program.kill('SIGUSR1')
        await program.until('report', () => reportAfter(program.stderr, reported) !== null)
        caughtUp = reportAfter(program.stderr, reported) === 'complete'
      }
      await program.stop('SIGINT')
      return frames
    },
  }
}

function reportAfter(stderr: string, from: number): 'complete' | 'behind' | null {
  const report = /(\d+) packets? captured, (\d+) packets? received by filter.*\n/.exec(stderr.slice(from))
  if (report === null) return null
  return Number(report[1]) >= Number(report[2]) ? 'complete' : 'behind'
}
