/**
 * Tun devices of the kernel, through `uipvs/tun`. The child is the built `dist/test/support/tun-child.js`.
 */

import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PACKAGE_ROOT } from '../support/lab/compile.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'
import type { TunOutcomes } from '../support/tun-child.ts'

const obstacle = labObstacle(['ip', 'sysctl'])
if (obstacle !== null) console.warn(`SKIPPED: ${obstacle}`)

const CHILD = join(PACKAGE_ROOT, 'dist', 'test', 'support', 'tun-child.js')

describe.skipIf(obstacle !== null)('a tun device', () => {
  let lab: Lab
  let outcomes: TunOutcomes

  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'tun', realServers: 1 })
    outcomes = JSON.parse((await lab.exec('director', [process.execPath, CHILD])).stdout)
  })

  afterAll(() => lab?.destroy())

  it('is called as it was asked for, and goes away when it is closed', () => {
    expect(outcomes).toMatchObject({ name: 'tuntest0', isThereAfterClosing: false })
  })

  it('carries packets to the kernel and its answers back', () => {
    expect(outcomes).toMatchObject({
      isWritten: true,
      isReady: true,
      answer: { type: 0, bytes: 36, source: '10.99.0.1' },
    })
  })

  it('does not wait for a packet that is not there', () => {
    expect(outcomes).toMatchObject({ isReadyWithoutPacket: false, readWithoutPacketBytes: 0 })
  })

  it('gives of a packet what fits', () => {
    expect(outcomes.cutBytes).toBe(8)
  })

  it('loses what is written while it is down', () => {
    expect(outcomes.isWrittenWhileDown).toBe(false)
  })

  it('says what is wrong', () => {
    expect(outcomes).toMatchObject({
      openedTwice: 'cannot make the tun device tuntest0: EBUSY: another program has it open',
      openedLoopback:
        'cannot make the tun device lo: EINVAL: there is a device of that name, and it is no tun device',
      wroteGarbage: 'cannot write 40 bytes to tuntest0: EINVAL: that is no IP packet',
      readAfterClosing: 'the tun device tuntest0 is closed',
      readAfterDeletion: 'cannot read from tungone: EBADFD: the device is gone',
    })
  })

  it('needs the right to make devices', async () => {
    const script =
      "import('uipvs/tun').then(({ openTun }) => openTun('tuntest1')).catch((e) => console.log(e.message))"
    const argv = ['setpriv', '--bounding-set', '-net_admin', '--', process.execPath, '-e', script]
    const { stdout } = await lab.exec('director', argv)
    expect(stdout).toBe(
      'cannot make the tun device tuntest1: EPERM: it takes CAP_NET_ADMIN: run it as root; a container needs --cap-add NET_ADMIN\n',
    )
  })
})
