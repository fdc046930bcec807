/** uipvsadm against what was recorded of the kernel's ipvsadm, command by command. */

import { describe, expect, it } from 'vitest'
import { differences } from '../../conformance/command-line/compare.ts'
import { judge } from '../../conformance/command-line/known-differences.ts'
import { readRecording } from '../../conformance/command-line/recording.ts'
import { INTERFACE_ADDRESSES, type Script } from '../../conformance/command-line/script.ts'
import { everyScript } from '../../conformance/command-line/scripts.ts'
import { playOnUipvs } from '../../conformance/command-line/uipvs.ts'
import { FakeControl } from '../support/fake-control.ts'

const recorded = readRecording()?.scripts ?? []
const control = () => new FakeControl(INTERFACE_ADDRESSES)

const commandsOf = (scripts: readonly Script[]) =>
  scripts.map(({ name, lines }) => ({ name, lines: lines.map(({ argv, stdin }) => ({ argv, stdin })) }))

it('every script is recorded as it is now', () => {
  const scripts = everyScript()
  expect(commandsOf(scripts)).toEqual(commandsOf(recorded))
  expect(scripts.flatMap(({ lines }) => lines).length).toBeGreaterThan(300)
})

it('uipvsadm prints and ends as ipvsadm does, but for what is known and still so', async () => {
  const played = await playOnUipvs(control(), recorded)
  expect(judge(differences(recorded, played))).toEqual({ unexplained: [], idle: [] })
})

/** What ipvsadm saved but does not restore itself: negative marks, and lists of flags without any. */
const NOT_RESTORABLE = / -f -| -b $/m

const saved = recorded.flatMap(({ name, lines }) =>
  lines
    .filter(({ argv, stdout }) => argv[0]?.startsWith('-S') && stdout !== '' && !NOT_RESTORABLE.test(stdout))
    .map(({ argv, stdout }) => ({ name, argv, stdout })),
)

describe('what ipvsadm saved', () => {
  it('was recorded, with names and without', () => {
    expect(saved.length).toBeGreaterThan(20)
    expect(new Set(saved.map(({ argv }) => argv.join(' ')))).toEqual(
      new Set(['-S', '-Sn', '-S --numeric', '-S --sort']),
    )
  })

  it.each(saved)(
    'is restored by uipvsadm and saved again as the same: $name, $argv',
    async ({ argv, stdout }) => {
      const lines = [{ argv: ['-R'], stdin: stdout }, { argv }]
      const [played] = await playOnUipvs(control(), [{ name: 'restore and save', lines }])
      const [restored, savedAgain] = played?.lines ?? []
      expect(restored).toMatchObject({ stdout: '', stderr: '', status: 0 })
      // Services that are far apart are in another order.
      expect(savedAgain?.stdout.split('\n').sort()).toEqual(stdout.split('\n').sort())
    },
  )
})
