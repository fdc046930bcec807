/** The kernel's own ipvsadm against what was recorded of it; with UIPVS_RECORD=1 it is recorded anew. */

import { expect, it } from 'vitest'
import { umlObstacle } from '../uml/kit.ts'
import { Uml } from '../uml/uml.ts'
import { describeDifference, drift } from './compare.ts'
import { playOnKernel } from './kernel.ts'
import { readRecording, writeRecording } from './recording.ts'
import { everyScript } from './scripts.ts'

const obstacle = await umlObstacle()
if (obstacle !== null) console.warn(`NOT RUN: ${obstacle}`)

it.skipIf(obstacle !== null)('the kernel does what was recorded of it', async () => {
  const before = readRecording()
  const uml = await Uml.boot({ lifeMs: 1_150_000 })
  try {
    const scripts = await playOnKernel(uml, everyScript())
    const { release, versions } = uml.kit
    console.log(
      `Linux ${release}, ipvsadm ${versions['ipvsadm']}; recorded: Linux ${before?.kernel ?? '(never)'}`,
    )
    if (process.env['UIPVS_RECORD'] === '1') writeRecording({ kernel: release, versions, scripts })
    else expect(drift(before?.scripts ?? [], scripts).map(describeDifference)).toEqual([])
  } finally {
    await uml.close()
  }
})
