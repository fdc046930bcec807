/** `uipvs sysctl`: every knob of IPVS's, read and set as sysctl(8) does for those of the kernel. */

import { Command, InvalidArgumentError } from 'commander'
import type { Control, Knobs } from '../../control/index.ts'
import {
  isTextKnob,
  KNOB_NAMES,
  KNOB_PREFIX,
  type KnobValue,
  valueFlaw,
  whyIdle,
} from '../../control/knobs.ts'

export interface SysctlWorld {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  /** Where the control socket is unless `--socket` says otherwise. */
  readonly socketPath: string
  connect(socketPath: string): Pick<Control, 'knobs' | 'setKnobs'>
}

interface SysctlOptions {
  readonly socket: string
  readonly values?: true
  readonly quiet?: true
}

/** One of the words: a knob to be shown, and first set where a text is given. */
interface Wanted {
  readonly name: string
  readonly text: string | null
}

/** The command. What is set is set all at once, or nothing is. */
export const sysctlCommand = ({ stdout, stderr, socketPath, connect }: SysctlWorld): Command =>
  new Command('sysctl')
    .description('show the knobs of IPVS, or set some: names as in net.ipv4.vs, lines as sysctl prints them')
    .argument('[knob[=value]...]', 'all are shown unless some are named', collect)
    .option('-n, --values', 'print values without names')
    .option('-q, --quiet', 'do not print what was set')
    .option('--socket <path>', 'control socket', socketPath)
    .action(async (words: readonly Wanted[], options: SysctlOptions) => {
      const wanted = words.length > 0 ? words : KNOB_NAMES.map((name) => ({ name, text: null }))
      const client = connect(options.socket)
      const before = await client.knobs()
      const changes = changesOf(wanted, before)
      const names = Object.keys(changes)
      for (const name of names) {
        const why = whyIdle(name)
        if (why !== null) stderr.write(`uipvs: ${name} has no effect here: ${why}\n`)
      }
      const knobs = names.length === 0 ? before : await client.setKnobs(changes)
      for (const { name, text } of wanted) {
        if (text === null || !options.quiet) stdout.write(line(name, knobs[name] as KnobValue, options))
      }
    })

function line(name: string, value: KnobValue, { values }: SysctlOptions): string {
  // The kernel writes a tab where we keep a blank.
  const text = String(value).replaceAll(' ', '\t')
  return values ? `${text}\n` : `${KNOB_PREFIX}${name} = ${text}\n`
}

/** The values in their types; of two for the same knob the last counts, as it would if they were set in turn. */
function changesOf(wanted: readonly Wanted[], before: Knobs): Knobs {
  const changes: Knobs = {}
  for (const { name, text } of wanted) {
    if (text !== null) changes[name] = typedValue(name, text, changes[name] ?? before[name])
  }
  return changes
}

/** One number for `sync_threshold` changes the first of its two, as in the kernel. */
function typedValue(name: string, text: string, held: KnobValue | undefined): KnobValue {
  if (!isTextKnob(name)) return Number(text)
  const second = name === 'sync_threshold' && /^\s*\d+\s*$/.test(text) ? ` ${String(held).split(' ')[1]}` : ''
  return text + second
}

/** Reads a word; refuses what names no knob, or a value that it cannot have. */
function collect(word: string, before: readonly Wanted[] | undefined): readonly Wanted[] {
  const [key, ...rest] = word.split('=')
  const text = rest.length === 0 ? null : rest.join('=').trim()
  const name = nameOf((key as string).trim())
  const flaw = flawOf(name, text)
  if (flaw !== null) throw new InvalidArgumentError(flaw)
  return [...(before ?? []), { name, text }]
}

/** Without what the kernel has before it; with dots or, as sysctl(8) allows it, slashes. */
function nameOf(key: string): string {
  const dotted = key.replaceAll('/', '.')
  return dotted.startsWith(KNOB_PREFIX) ? dotted.slice(KNOB_PREFIX.length) : dotted
}

function flawOf(name: string, text: string | null): string | null {
  if (!KNOB_NAMES.includes(name)) return valueFlaw(name, 0)
  // What one number for two means is only known with the other; then the daemon judges.
  if (text === null || name === 'sync_threshold') return null
  if (isTextKnob(name)) return valueFlaw(name, text)
  return valueFlaw(name, /^[-+]?\d{1,20}$/.test(text) ? Number(text) : text)
}
