/** What the demonstration shows: text of at most 80 columns, one line of progress, colour on terminals only. */

import { endpoint, type RealServer } from '../lab/addresses.ts'
import { type DemoService, type Outcome, PORT, REQUESTS } from './services.ts'

const COLUMNS = 80

const { NO_COLOR = '' } = process.env
const useColour = process.stdout.isTTY === true && NO_COLOR === ''
const sgr = (code: number) => (text: string) => (useColour ? `\x1b[${code}m${text}\x1b[0m` : text)
export const bold: (text: string) => string = sgr(1)
export const dim: (text: string) => string = sgr(2)
const red = sgr(31)
const green = sgr(32)

/** Where the packets go. */
export const PICTURE: readonly string[] = [
  '  client ──── director ───┬── rs1    NAT  rewritten, both ways',
  '    ▲          uipvs      ├── rs2    DR   bytes untouched, answered directly',
  '    └── DR, TUN answers ──┴── rs3    TUN  packet in packet, answered directly',
]

/** One line that tells what is going on: rewritten on a terminal, a new line for each step elsewhere. */
export class Progress {
  #step = ''

  /** `done` of `total` shows as a bar, on terminals. */
  show(step: string, done = 0, total = 0): void {
    if (process.stdout.isTTY) {
      process.stdout.write(`\r\x1b[K${dim('…')} ${step}${total === 0 ? '' : ` ${bar(done / total)} ${done}`}`)
    } else if (step !== this.#step) process.stdout.write(`… ${step}\n`)
    this.#step = step
  }

  clear(): void {
    if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
  }
}

const bar = (share: number): string => {
  const full = Math.round(share * 20)
  return '█'.repeat(full) + dim('░'.repeat(20 - full))
}

/** Requests per real server, a row a service. */
export function resultTable(outcomes: readonly Outcome[]): string[] {
  const heading = 'method  virtual service   scheduler  answered  by real server'
  return [bold(heading), ...outcomes.map(resultRow)]
}

function resultRow({ service, byServer, failed }: Outcome): string {
  const { method, address, scheduler } = service
  const answered = `${REQUESTS - failed}/${REQUESTS}`.padEnd(8)
  const servers = Object.keys(service.weights) as RealServer[]
  const shares = servers.map((server) => {
    const count = byServer.get(server) ?? 0
    return `${server} ${String(count).padStart(2)} ${green('▪'.repeat(Math.ceil(count / 10)).padEnd(3))}`
  })
  const cells = [method.padEnd(6), endpoint(address, PORT).padEnd(16), describeScheduler(service, scheduler)]
  return `${cells.join('  ')}  ${failed === 0 ? green(answered) : red(answered)}  ${shares.join(' ')}`
}

function describeScheduler({ weights }: DemoService, scheduler: string): string {
  const values = Object.values(weights)
  const text = values.every((weight) => weight === 1) ? scheduler : `${scheduler} ${values.join(':')}`
  return text.padEnd(9)
}

/** A command and lines that it printed, each cut to the screen's width. */
export const listing = (command: string, lines: readonly string[], remark = ''): string[] => [
  `${dim('$')} ${bold(command)}${remark === '' ? '' : dim(`  # ${remark}`)}`,
  ...lines.map(fit),
]

const fit = (line: string): string => (line.length <= COLUMNS ? line : `${line.slice(0, COLUMNS - 1)}…`)

export const good = (text: string): string => `${green('✔')} ${text}`
export const bad = (text: string): string => `${red('✘')} ${text}`
