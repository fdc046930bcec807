import { describe, expect, it } from 'vitest'
import { KNOB_NAMES } from '../../../control/knobs.ts'
import { AllKnobs } from '../../../forwarder/dataplane/all-knobs.ts'
import { defaultKnobs } from '../../../lib/director/knobs.ts'

describe('all knobs of a data path', () => {
  it('are read in the order of sysctl, whatever was changed', () => {
    const all = new AllKnobs(defaultKnobs(), { pages: 0 })
    all.change({ sync_version: 0, am_droprate: 5 })
    expect(Object.keys(all.read())).toEqual(KNOB_NAMES)
  })

  it('that act are the director’s, and change what it reads', () => {
    const acting = defaultKnobs()
    const all = new AllKnobs(acting, { pages: 0 })
    expect(all.change({ drop_entry: 3 })).toMatchObject({ drop_entry: 3 })
    expect(acting.drop_entry).toBe(3)
    // The defences change these by themselves.
    acting.drop_entry = 2
    expect(all.read()).toMatchObject({ drop_entry: 2 })
  })

  it('that have no effect are kept, and not shown to the director', () => {
    const acting = defaultKnobs()
    const all = new AllKnobs(acting, { pages: 0 })
    expect(all.change({ sync_threshold: '4\t60', conntrack: 1 })).toMatchObject({
      sync_threshold: '4 60',
      conntrack: 1,
    })
    expect(acting).toEqual(defaultKnobs())
  })
})
