/**
 * The benchmarks' entry: `node dist/bench/run.js [table] [library] [queue] [--connections 1000000] [--seconds 3] [--rounds 5]
 * [--only a,b] [--json FILE]`. Without a name, all run. Exit status 1 when a contestant failed.
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { PACKAGE_ROOT } from '../test/support/lab/compile.ts'
import { labObstacle } from '../test/support/lab/namespaces.ts'
import { formatFigure, LIBRARY_HEADING, type LibraryFigure, runLibrary } from './library.ts'
import { formatQueue, type QueueFigure, runQueue } from './queue.ts'
import { formatTable, runTable, type TableFigures } from './table.ts'

const PARTS = ['table', 'library', 'queue'] as const

/** What is written as JSON. */
interface Results {
  readonly machine: ReturnType<typeof describeMachine>
  table?: TableFigures
  library?: readonly LibraryFigure[]
  queue?: { readonly seconds: number; readonly rounds: number; readonly figures: readonly QueueFigure[] }
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      connections: { type: 'string', default: '1000000' },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string' },
      json: { type: 'string', default: join(PACKAGE_ROOT, 'bench', 'build', 'results.json') },
    },
  })
  const unknown = positionals.find((name) => !PARTS.includes(name as (typeof PARTS)[number]))
  if (unknown !== undefined) throw new Error(`unknown benchmark '${unknown}': expected ${PARTS.join(', ')}`)
  const isWanted = (part: (typeof PARTS)[number]) => positionals.length === 0 || positionals.includes(part)
  const machine = describeMachine()
  const results: Results = { machine }
  console.log(`${machine.processors} × ${machine.processor}, Linux ${machine.kernel}, Node ${machine.node}\n`)

  if (isWanted('table')) {
    results.table = runTable(Number(values.connections))
    console.log(`${formatTable(results.table)}\n`)
  }
  if (isWanted('library')) {
    console.log(LIBRARY_HEADING)
    results.library = await runLibrary((figure) => console.log(formatFigure(figure)))
    console.log()
  }
  if (isWanted('queue')) {
    const obstacle = labObstacle(['ip', 'sysctl', 'iptables', 'iperf3', 'cc'])
    if (obstacle !== null) throw new Error(obstacle)
    const seconds = Number(values.seconds)
    const rounds = Number(values.rounds)
    const only = values.only === undefined ? {} : { only: values.only.split(',') }
    const figures = await runQueue({ seconds, rounds, ...only, onTurn: (turn) => showTurn(turn, rounds) })
    clearTurn()
    results.queue = { seconds, rounds, figures }
    console.log(formatQueue(figures))
    console.log(
      `${rounds} interleaved rounds of ${seconds} s; sender, director and sink share the processors\n`,
    )
    if (figures.some(({ failures }) => failures.length > 0)) process.exitCode = 1
  }
  await mkdir(dirname(values.json), { recursive: true })
  await writeFile(values.json, `${JSON.stringify(results, null, 2)}\n`)
  console.log(`written to ${values.json}`)
}

function describeMachine() {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    processors: cpus().length,
    kernel: release(),
    node: process.version,
    date: new Date().toISOString(),
  }
}

/** Shows whose turn it is, in one line that changes, on a terminal only. */
function showTurn({ round, label }: { round: number; label: string }, rounds: number): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[Kround ${round} of ${rounds}: ${label}`)
}

function clearTurn(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
}

try {
  await main()
} catch (error) {
  console.error(`bench: ${(error as Error).message}`)
  process.exitCode = 2
}
