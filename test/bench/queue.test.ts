import { describe, expect, it } from 'vitest'
import { formatQueue, median, runQueue } from '../../bench/queue.ts'

describe('median', () => {
  it('is the middle value, or the mean of the middle two', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(median([])).toBeNaN()
  })
})

describe('formatQueue', () => {
  const plain = {
    name: 'plain',
    label: 'plain',
    udpKpps: [200, 100, 300],
    offeredKpps: [],
    tcpGbps: [8],
    failures: [],
  }
  const c = { name: 'c-gso', label: 'C', udpKpps: [100], offeredKpps: [], tcpGbps: [4], failures: [] }
  const proxy = {
    name: 'haproxy',
    label: 'proxy',
    udpKpps: [],
    offeredKpps: [],
    tcpGbps: [2],
    failures: ['round 2: gone'],
  }

  it('gives medians, ranges and both ratios in aligned columns', () => {
    const [, heading, ...rows] = formatQueue([plain, c, proxy]).split('\n')
    expect(rows.map((row) => row.split(/\s+/).join(' '))).toEqual([
      'plain 200 100–300 1.00 2.00 8.00 8.00–8.00 1.00 2.00',
      'C 100 100–100 0.50 1.00 4.00 4.00–4.00 0.50 1.00',
      'proxy – – – – 2.00 2.00–2.00 0.25 0.50',
      'FAILED: proxy, round 2: gone',
    ])
    for (const row of rows.slice(0, 3)) expect(row).toHaveLength(heading!.length)
  })
})

describe('runQueue', () => {
  it('refuses what it cannot run, before it builds anything', async () => {
    await expect(runQueue({ seconds: 0, rounds: 5 })).rejects.toThrow('seconds 0: expected 1 to 60')
    await expect(runQueue({ seconds: 1, rounds: 1.5 })).rejects.toThrow('rounds 1.5: expected 1 to 100')
    await expect(runQueue({ seconds: 1, rounds: 1, only: ['lvs'] })).rejects.toThrow("contestant 'lvs'")
  })
})
