/** uipvsadm against what was recorded of the kernel's ipvsadm, command by command. */

import { expect, it } from 'vitest'
import { differences } from '../../conformance/command-line/compare.ts'
import { judge } from '../../conformance/command-line/known-differences.ts'
import { readRecording } from '../../conformance/command-line/recording.ts'
import { INTERFACE_ADDRESSES, type Script } from '../../conformance/command-line/script.ts'
import { everyScript } from '../../conformance/command-line/scripts.ts'
import { playOnUipvs } from '../../conformance/command-line/uipvs.ts'
import { FakeControl } from '../support/fake-control.ts'

const recorded = readRecording()?.scripts ?? []

const commandsOf = (scripts: readonly Script[]) =>
  scripts.map(({ name, lines }) => ({ name, lines: lines.map(({ argv, stdin }) => ({ argv, stdin })) }))

it('every script is recorded as it is now', () => {
  const scripts = everyScript()
  expect(commandsOf(scripts)).toEqual(commandsOf(recorded))
  expect(scripts.flatMap(({ lines }) => lines).length).toBeGreaterThan(300)
})

it('uipvsadm prints and ends as ipvsadm does, but for what is known and still so', async () => {
  const played = await playOnUipvs(new FakeControl(INTERFACE_ADDRESSES), recorded)
  expect(judge(differences(recorded, played))).toEqual({ unexplained: [], idle: [] })
})
