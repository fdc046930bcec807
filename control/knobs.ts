/**
 * Every setting that the kernel has under `net.ipv4.vs`, in one table: those that act here are the library's, the others
 * are kept and shown, so that scripts and sysctl files go on working, and say why they do nothing.
 */

import * as z from 'zod'
import { boundsOf, KNOBS, type KnobName, type KnobRange, rangeFlaw, rowOf } from '../lib/director/knobs.ts'

/** A whole number; or text, where the kernel's value is no single number: `sync_threshold` is `3 50`. */
export const KnobValue = z.union([z.number(), z.string()])
export type KnobValue = z.infer<typeof KnobValue>

/** A knob that nothing here looks at. */
interface IdleKnob extends KnobRange {
  readonly initial: KnobValue
  /** The value as it is kept, or null where it is not in order; for what {@link KnobRange} cannot say. */
  readonly accept?: (value: unknown) => KnobValue | null
  /** What {@link accept} accepts. */
  readonly expected?: string
  /** Why it has no effect. */
  readonly idle: string
}

const NO_SYNC = 'connections are not synchronised with other directors'
const ESTIMATION = 'the data path takes the statistics by itself, without threads for it'

/** As of Linux 6.1; `est_…` came with 6.2. */
const IDLE_KNOBS: Readonly<Record<string, IdleKnob>> = {
  backup_only: { initial: 0, idle: NO_SYNC },
  conntrack: {
    initial: 0,
    idle: 'the traffic of services stays untracked wherever the kernel can leave it so',
  },
  debug_level: { initial: 0, idle: "what is logged is set by 'uipvs log-level'" },
  est_cpulist: { initial: '', accept: cpuList, expected: 'a list of CPUs like 0-3,6', idle: ESTIMATION },
  est_nice: { initial: 0, min: -20, max: 19, idle: ESTIMATION },
  ignore_tunneled: { initial: 0, idle: 'tunnel packets of the director never come back to its hooks' },
  snat_reroute: { initial: 1, idle: "servers' answers are rewritten after their route was chosen" },
  sync_persist_mode: { initial: 0, idle: NO_SYNC },
  sync_ports: { initial: 1, accept: powerOfTwo, expected: 'a power of two', idle: NO_SYNC },
  sync_qlen_max: { initial: 0, min: 0, max: Number.MAX_SAFE_INTEGER, idle: NO_SYNC },
  sync_refresh_period: { initial: 0, min: 0, idle: NO_SYNC },
  sync_retries: { initial: 0, min: 0, max: 3, idle: NO_SYNC },
  sync_sock_size: { initial: 0, idle: NO_SYNC },
  sync_threshold: {
    initial: '3 50',
    accept: threshold,
    expected: "a threshold and a period above it, or 0, like '3 50'",
    idle: NO_SYNC,
  },
  sync_version: { initial: 1, min: 0, max: 1, idle: NO_SYNC },
}

/** Where the kernel has them, as `sysctl` names them. */
export const KNOB_PREFIX = 'net.ipv4.vs.'

/** Every knob there is, in the order in which `sysctl -a` lists them. */
export const KNOB_NAMES: readonly string[] = [...Object.keys(KNOBS), ...Object.keys(IDLE_KNOBS)].sort()

/** Whether it has an effect: then it is the library's. */
export const isActing = (name: string): name is KnobName => Object.hasOwn(KNOBS, name)

/** Why a knob has no effect; null for one that has, or that is not there. */
export const whyIdle = (name: string): string | null => idleRow(name)?.idle ?? null

/** Those without effect, as the kernel has them at the start; `pages` is the machine's memory. */
export function initialIdleKnobs({ pages }: { pages: number }): Record<string, KnobValue> {
  const initial = Object.entries(IDLE_KNOBS).map(([name, row]) => [name, row.initial])
  return { ...Object.fromEntries(initial), sync_qlen_max: Math.floor(pages / QUEUE_SHARE) }
}

/** The kernel lets queued sync messages take this share of the memory. */
const QUEUE_SHARE = 32

/** Whether the knob's value is text. */
export const isTextKnob = (name: string): boolean => typeof idleRow(name)?.initial === 'string'

/** The value as it is kept, once {@link valueFlaw} has found nothing wrong with it. */
export const canonicalValue = (name: string, value: KnobValue): KnobValue =>
  idleRow(name)?.accept?.(value) ?? value

/** What is wrong with the value for the knob, naming both; null when nothing is. */
export function valueFlaw(name: string, value: unknown): string | null {
  const row = isActing(name) ? rowOf(name) : idleRow(name)
  if (row === undefined) return `there is no knob '${name}'; there are: ${KNOB_NAMES.join(' ')}`
  const { accept, expected }: Partial<IdleKnob> = row
  if (accept === undefined) return rangeFlaw(name, row, value)
  return accept(value) === null ? `${name} is ${expected}, not '${value}'` : null
}

/** Each knob's values as JSON Schema. */
export const KNOB_SCHEMAS: Readonly<Record<string, KnobSchema>> = Object.fromEntries(
  KNOB_NAMES.map((name) => [name, schemaOf(name)]),
)

/** What documents say of a knob. */
interface KnobSchema {
  readonly type: 'integer' | 'string'
  readonly minimum?: number
  readonly maximum?: number
  readonly default: KnobValue
  readonly description?: string
}

function schemaOf(name: string): KnobSchema {
  if (isActing(name)) return { ...integer(rowOf(name)), default: rowOf(name).initial }
  const row = idleRow(name) as IdleKnob
  const type = isTextKnob(name) ? ({ type: 'string' } as const) : integer(row)
  const expected = row.expected === undefined ? '' : `${row.expected}; `
  return { ...type, default: row.initial, description: `${expected}without effect: ${row.idle}` }
}

function integer(range: KnobRange): Pick<KnobSchema, 'type' | 'minimum' | 'maximum'> {
  const { min, max } = boundsOf(range)
  return { type: 'integer', minimum: min, maximum: max }
}

function idleRow(name: string): IdleKnob | undefined {
  return Object.hasOwn(IDLE_KNOBS, name) ? IDLE_KNOBS[name] : undefined
}

function powerOfTwo(value: unknown): number | null {
  const isPower =
    typeof value === 'number' && value >= 1 && value < 2 ** 31 && Number.isInteger(Math.log2(value))
  return isPower ? value : null
}

/** Two numbers, between any white space, as the kernel reads them; kept with a blank between. */
function threshold(value: unknown): string | null {
  const words = typeof value === 'string' ? /^\s*(\d{1,9})\s+(\d{1,9})\s*$/.exec(value) : null
  if (words === null) return null
  const [packets, period] = [Number(words[1]), Number(words[2])]
  return period === 0 || packets < period ? `${packets} ${period}` : null
}

/** Numbers and ranges of numbers, as cpuset(7) has them; empty for all. */
function cpuList(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 255) return null
  return /^(\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*)?$/.test(value) ? value : null
}
