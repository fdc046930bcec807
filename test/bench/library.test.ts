import { describe, expect, it } from 'vitest'
import { formatFigure, LIBRARY_HEADING, LIBRARY_ROWS } from '../../bench/library.ts'
import { formatTable, runTable } from '../../bench/table.ts'

describe('the rows of the library', () => {
  it.each(LIBRARY_ROWS.map((row) => [`${row.name}, ${row.connections}`, row] as const))(
    'can be measured: %s',
    (_name, { measure }) => {
      const rounds = measure(256, { rounds: 2, packetsPerRound: 640 })
      expect(rounds).toHaveLength(2)
      for (const ns of rounds) expect(ns).toBeGreaterThan(0)
    },
  )

  it('are printed in columns', () => {
    const figure = {
      name: 'new connection, mh over 100',
      connections: 1_000_000,
      minNs: 511.6,
      medianNs: 600,
    }
    expect(LIBRARY_HEADING).toBe('ns per packet                            conns     min  median')
    expect(formatFigure(figure)).toBe('new connection, mh over 100            1000000     512     600')
  })
})

describe('the table’s figures', () => {
  it('are of as many connections as are asked for, all of which come and go', () => {
    const figures = runTable(1000)
    expect(figures.connections).toBe(1000)
    expect(Math.min(figures.insertNs, figures.expireNs, figures.longestPauseMs)).toBeGreaterThan(0)
  })

  it('are told in two lines', () => {
    const figures = {
      connections: 1_048_576,
      bytesEach: 150.4,
      insertNs: 611,
      expireNs: 170,
      longestPauseMs: 1.25,
    }
    expect(formatTable(figures)).toBe(
      '1048576 connections: 150 bytes each, all tables included, 150 MiB in all\n' +
        'inserted in 611 ns, aged and expired in 170 ns each; longest pause 1.3 ms',
    )
  })
})
