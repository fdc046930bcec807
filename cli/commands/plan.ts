/** `uipvs plan` and `uipvs apply`: a whole configuration from a file, shown and put in force. */

import { Command } from 'commander'
import { ApiError, type Replacement } from '../../control/index.ts'
import { counted } from '../configuration/format-changes.ts'
import {
  formatPlan,
  type Plan,
  type PlanControl,
  planFor,
  readWanted,
  refused,
} from '../configuration/plan.ts'
import { fileName } from '../configuration/read-text.ts'
import type { WantedFile } from '../configuration/wanted.ts'
import type { Names } from '../names.ts'

export interface PlanWorld {
  readonly stdout: { write(text: string): unknown }
  /** The text of a file, `-` being standard input. */
  readText(file: string): Promise<string>
  /** Those of this machine. */
  names(): Names
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): PlanControl
}

interface Options {
  readonly socket: string
  readonly json?: true
  readonly ifRevision?: string
}

const FILE_HELP = 'ipvsadm-save text, or JSON as uipvs config prints it; - for standard input'

/** Shows what {@link applyCommand} would do. */
export const planCommand = (world: PlanWorld): Command =>
  new Command('plan')
    .summary('show what would change if a file were the configuration')
    .description(
      'show what would change if FILE were the whole configuration, and how many connections it touches',
    )
    .argument('<file>', FILE_HELP)
    .option('--json', 'for machines')
    .option('--socket <path>', 'control socket', world.socketPath)
    .action(async (file: string, { socket, json }: Options) => {
      const wanted = await readWanted(fileName(file), await world.readText(file), world.names())
      const plan = await planFor(wanted, world.connect(socket))
      world.stdout.write(json ? jsonOf(plan) : formatPlan(plan))
    })

/** Puts the file in force by the smallest difference: all of it or nothing, and connections stay. */
export const applyCommand = (world: PlanWorld): Command =>
  new Command('apply')
    .summary('make a file the whole configuration, all of it or nothing')
    .description('make FILE the whole configuration, all of it or nothing; connections stay as they are')
    .argument('<file>', FILE_HELP)
    .option('--if-revision <revision>', 'only while this revision is in force, as plan shows it')
    .option('--json', 'for machines')
    .option('--socket <path>', 'control socket', world.socketPath)
    .action(async (file: string, { socket, json, ifRevision }: Options) => {
      const wanted = await readWanted(fileName(file), await world.readText(file), world.names())
      await apply(wanted, world.connect(socket), {
        file: fileName(file),
        ifRevision,
        show: (plan) => json || world.stdout.write(formatPlan(plan)),
        done: (replacement) => world.stdout.write(json ? jsonOf(replacement) : summaryOf(replacement)),
      })
    })

/** How often a plan is made because somebody else changed something after the one before it was made. */
const ATTEMPTS = 10

interface Application {
  readonly file: string
  readonly ifRevision: string | undefined
  /** Told what is about to be done. */
  show(plan: Plan): void
  done(replacement: Replacement): void
}

/** What is shown is what is done: the plan's revision must be in force still, or another plan is made. */
async function apply(
  wanted: WantedFile,
  client: PlanControl,
  { file, ifRevision, show, done }: Application,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const plan = await planFor(wanted, client)
    if (ifRevision === undefined || ifRevision === plan.revision) show(plan)
    try {
      done(await client.replaceConfiguration(wanted.configuration, ifRevision ?? plan.revision))
      return
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.code !== 'stale-revision')
        throw refused(file, error.path === undefined ? null : wanted.lineOf(error.path), error.message)
      if (ifRevision !== undefined || attempt === ATTEMPTS) throw error
    }
  }
}

const summaryOf = ({ revision, changes }: Replacement): string =>
  changes.length === 0 ? '' : `${counted(changes.length, 'change')} made: revision ${revision} is in force\n`

const jsonOf = (value: object): string => `${JSON.stringify(value, null, 2)}\n`
