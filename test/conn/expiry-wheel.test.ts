import { beforeEach, describe, expect, it } from 'vitest'
import { ExpiryWheel } from '../../lib/conn/expiry-wheel.ts'
import { NONE, RECORD_WORDS, WORD } from '../../lib/conn/layout.ts'

const RECORDS = 8
/** The wheel's circumference in ticks; a deadline beyond it waits a round. */
const ROUND = 16_384

let words: Int32Array
let wheel: ExpiryWheel

beforeEach(() => {
  words = new Int32Array((RECORDS + 1) * RECORD_WORDS)
  wheel = new ExpiryWheel(words, 0)
})

function fileAt(record: number, deadlineTick: number): void {
  words[record * RECORD_WORDS + WORD.deadlineTick] = deadlineTick
  wheel.file(record)
}

function takeOne(nowTick: number): number {
  const into = new Int32Array(1)
  return wheel.takeDue(nowTick, into, 1) === 1 ? into[0]! : NONE
}

function takeAll(nowTick: number): number[] {
  const taken: number[] = []
  for (let record = takeOne(nowTick); record !== NONE; record = takeOne(nowTick)) taken.push(record)
  return taken
}

describe('ExpiryWheel', () => {
  it('gives a record when its tick has come, and not before', () => {
    fileAt(1, 20)
    expect(takeAll(19)).toEqual([])
    expect(takeAll(20)).toEqual([1])
    expect(takeAll(21)).toEqual([])
  })

  it('gives every record of a tick, and earlier ticks first', () => {
    fileAt(1, 30)
    fileAt(2, 10)
    fileAt(3, 30)
    const taken = takeAll(40)
    expect(taken[0]).toBe(2)
    expect(taken.slice(1).sort()).toEqual([1, 3])
  })

  it('gives a record whose deadline has passed already at the very next tick', () => {
    expect(takeAll(100)).toEqual([])
    fileAt(1, 5)
    expect(takeAll(100)).toEqual([])
    expect(takeAll(101)).toEqual([1])
  })

  it('gives a record with a far deadline once a round, for whoever takes it to file it again', () => {
    const deadline = 2.5 * ROUND
    const takenAt: number[] = []
    fileAt(1, deadline)
    for (let tick = 0; tick <= deadline; tick++) {
      for (const record of takeAll(tick)) {
        takenAt.push(tick)
        if (tick < deadline) wheel.file(record)
      }
    }
    expect(takenAt).toEqual([ROUND - 1, 2 * (ROUND - 1), deadline])
  })

  it.each([
    ['the newest of its tick', 3],
    ['the middle one', 2],
    ['the oldest', 1],
  ])('can take %s out again', (_name, record) => {
    for (const each of [1, 2, 3]) fileAt(each, 10)
    wheel.unfile(record)
    expect(takeAll(10).sort()).toEqual([1, 2, 3].filter((each) => each !== record))
  })

  it.each([
    ['the next to come', 2],
    ['the last to come', 1],
  ])('can take out %s of a tick that is being worked off', (_name, record) => {
    for (const each of [1, 2, 3]) fileAt(each, 10)
    expect(takeOne(10)).toBe(3)
    wheel.unfile(record)
    expect(takeAll(10)).toEqual([1, 2].filter((each) => each !== record))
  })

  it('does not mix what is filed now into the tick that is being worked off', () => {
    fileAt(1, 10)
    fileAt(2, 10)
    const first = takeOne(10)
    fileAt(first, 10)
    expect(takeAll(10)).toEqual([1])
    expect(takeAll(11)).toEqual([first])
  })

  it('gives as many at once as are wanted and there is room for, across ticks', () => {
    for (const [record, tick] of [[1, 10], [2, 10], [3, 12], [4, 20]] as const) fileAt(record, tick) // biome-ignore format: a table
    const into = new Int32Array(8)
    expect(wheel.takeDue(15, into, 1)).toBe(1)
    expect(wheel.takeDue(15, into.subarray(1, 2), 8)).toBe(1)
    expect(wheel.takeDue(15, into.subarray(2), 8)).toBe(1)
    expect([...into]).toEqual([2, 1, 3, 0, 0, 0, 0, 0])
    expect(wheel.takeDue(15, into, 8)).toBe(0)
  })

  it('can take out the neighbours of one that is taken already', () => {
    for (const each of [1, 2, 3]) fileAt(each, 10)
    expect(takeOne(10)).toBe(3)
    wheel.unfile(2)
    wheel.unfile(1)
    expect(takeAll(10)).toEqual([])
    fileAt(1, 12)
    expect(takeAll(12)).toEqual([1])
  })

  it('begins at the tick it is told, however late that is', () => {
    const late = 2 ** 30
    wheel = new ExpiryWheel(words, late)
    fileAt(1, late + 5)
    expect(takeAll(late + 4)).toEqual([])
    expect(takeAll(late + 5)).toEqual([1])
  })
})
