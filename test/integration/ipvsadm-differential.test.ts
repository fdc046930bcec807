/** uipvsadm and a real daemon against the real ipvsadm and its kernel: the same commands, byte for byte the same outcome. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { describeDifference, differences, drift } from '../../conformance/command-line/compare.ts'
import { playOnKernel } from '../../conformance/command-line/kernel.ts'
import { judge } from '../../conformance/command-line/known-differences.ts'
import { readRecording } from '../../conformance/command-line/recording.ts'
import { INTERFACE_ADDRESSES } from '../../conformance/command-line/script.ts'
import { writtenScripts } from '../../conformance/command-line/scripts.ts'
import { playOnUipvs } from '../../conformance/command-line/uipvs.ts'
import { umlObstacle } from '../../conformance/uml/kit.ts'
import { Uml } from '../../conformance/uml/uml.ts'
import { ControlClient } from '../../control/client.ts'
import { FakeControl } from '../support/fake-control.ts'
import { Lab } from '../support/lab/lab.ts'
import { labObstacle } from '../support/lab/namespaces.ts'

const recording = readRecording()
if (recording === null) throw new Error('nothing is recorded: npm run conformance -- --record')
const recorded = recording.scripts

const noKernel = await umlObstacle()
if (noKernel !== null) console.warn(`SKIPPED: ${noKernel}`)

describe.skipIf(noKernel !== null)('the kernel with its own ipvsadm', () => {
  let uml: Uml
  beforeAll(async () => {
    uml = await Uml.boot()
  })
  afterAll(() => uml?.close())

  // Those that were generated are played by npm run conformance: they take minutes.
  it('does what was recorded of it', { timeout: 300_000 }, async () => {
    const written = writtenScripts()
    const names = new Set(written.map(({ name }) => name))
    const played = await playOnKernel(uml, written)
    const expected = recorded.filter(({ name }) => names.has(name))
    const elsewhere = uml.kit.release === recording.kernel ? '' : ` (recorded: Linux ${recording.kernel})`
    expect(drift(expected, played).map(describeDifference), `Linux ${uml.kit.release}${elsewhere}`).toEqual(
      [],
    )
  })

  it('restores what uipvsadm saved, to the same services and servers', { timeout: 300_000 }, async () => {
    const showing = ['-Sn', '-Ln', '-Ln --thresholds', '-Ln --tun-info'].map((words) => ({
      argv: words.split(' '),
    }))
    const saving = savingScripts()
    const ours = await playOnUipvs(
      new FakeControl(INTERFACE_ADDRESSES),
      saving.map((script) => ({ ...script, lines: [...script.lines, ...showing] })),
    )
    const restoring = ours.map(({ name, lines }) => {
      const shown = lines.slice(-showing.length)
      return {
        name,
        lines: [{ argv: ['-R'], stdin: shown[0]?.stdout ?? '', stdout: '', stderr: '', status: 0 }, ...shown],
      }
    })
    expect(restoring.length).toBeGreaterThan(10)
    const theirs = await playOnKernel(uml, restoring)
    const found = differences(restoring, theirs)
    // What ipvsadm itself saves is compared elsewhere; that thresholds have come across, here.
    expect(found.filter(({ line }) => line !== '-Sn').map(describeDifference)).toEqual([])
  })
})

/** Those whose last table ipvsadm can have: it knows the scheduler, and prints services in the order that we do. */
const savingScripts = () =>
  writtenScripts().filter(
    ({ name }) =>
      !/^(?:addresses|large marks|names|schedulers|scheduler flags|services that|the order of)/.test(name),
  )

const noLab = labObstacle(['ip', 'sysctl', 'iptables'])
if (noLab !== null) console.warn(`SKIPPED: ${noLab}`)

describe.skipIf(noLab !== null)('uipvsadm with its daemon', () => {
  let lab: Lab
  let client: ControlClient
  beforeAll(async () => {
    lab = await Lab.create({ prefix: 'umldiff' })
    // The kernel's scripts have these addresses, and nothing else, on the director.
    const ip = (...words: readonly string[]) => lab.exec('director', ['ip', ...words])
    await ip('link', 'add', 'ports', 'type', 'bridge')
    await ip('link', 'set', 'ports', 'up')
    for (const address of INTERFACE_ADDRESSES) {
      await ip('address', 'add', address, 'dev', 'ports', ...(address.includes(':') ? ['nodad'] : []))
    }
    client = new ControlClient((await lab.uipvs()).socketPath)
  })
  afterAll(() => lab?.destroy())

  it('prints and ends as the kernel’s does, but for what is known and still so', {
    timeout: 300_000,
  }, async () => {
    const played = await playOnUipvs(client, recorded)
    expect(judge(differences(recorded, played))).toEqual({ unexplained: [], idle: [] })
  })
})
