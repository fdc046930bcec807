/**
 * Captures the frames that arrive at a device, for the integration tests, through a packet socket:
 *
 *     node capture-child.js DEVICE_INDEX    prints "ready"; when its input ends, an array of frames in hex
 */

import { enlargeBuffer } from '../../forwarder/native/buffers.ts'
import { AF_PACKET, ETH_P_ALL, SOCK_RAW } from '../../forwarder/native/constants.ts'
import { attempt, loadSeam } from '../../forwarder/native/seam.ts'
import { ReceiveArea } from '../../forwarder/netlink/receive-area.ts'

const RECEIVE_BUFFER_BYTES = 4 << 20

function capture(deviceIndex: number): void {
  const seam = loadSeam()
  const area = new ReceiveArea({ slots: 64, headroomBytes: 0, roomBytes: 65_536 })
  const frames: string[] = []
  const fd = attempt('open a packet socket', seam.open(AF_PACKET, SOCK_RAW, 0))
  enlargeBuffer(seam, fd, 'receive', RECEIVE_BUFFER_BYTES)
  attempt('bind a packet socket', seam.bindPacket(fd, deviceIndex, ETH_P_ALL))

  const collect = () => {
    for (let count = area.slots; count === area.slots; ) {
      count = attempt('capture', area.receive(seam, fd))
      for (let slot = 0; slot < count; slot++) {
        frames.push(Buffer.from(area.bytes.subarray(area.start(slot), area.end(slot))).toString('hex'))
      }
    }
  }
  setInterval(collect, 5)
  process.stdin
    .on('end', () => {
      collect()
      process.stdout.write(`${JSON.stringify(frames)}\n`, () => process.exit(0))
    })
    .resume()
  process.stdout.write('"ready"\n')
}

capture(Number(process.argv[2]))
