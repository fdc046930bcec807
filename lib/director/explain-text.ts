/** An explanation as text for people: a line or a small table for each thing that was found out. */

import { PASSED_OVER } from '../service/scheduler.ts'
import type { FieldValue } from '../wire/fields.ts'
import {
  type AnswerExplained,
  type CandidateExplained,
  CONNECTION_PASSED_OVER,
  type ConnectionExplained,
  type ConnectionSummary,
  type DroppingExplained,
  type Explanation,
  type ForwardingExplained,
  type PacketExplained,
  type SchedulingExplained,
  SERVICE_FOUND,
  type SentExplained,
  type ServiceExplained,
  TEMPLATE_PASSED_OVER,
  type TemplateExplained,
  type VerdictExplained,
} from './explanation.ts'

/** What stands beside a label, and the lines below it. */
interface Section {
  readonly label: string
  readonly says: string
  readonly details?: readonly string[]
}

const LABEL_COLUMNS = 12
const INDENTED = ' '.repeat(LABEL_COLUMNS)

/** Several lines, without a line end behind the last. */
export function printExplanation(explanation: Explanation): string {
  const { packet, connection, service, dropping, template, scheduling } = explanation
  const { opened, announced, forwarding, sent, verdict } = explanation
  const sections: (Section | null)[] = [
    packetSection(packet),
    connection && connectionSection(connection),
    service && serviceSection(service),
    dropping && droppingSection(dropping),
    template && templateSection(template),
    scheduling && schedulingSection(scheduling),
    opened && { label: 'opens', says: summaryText(opened) },
    announced && { label: 'announces', says: summaryText(announced) },
    forwarding && forwardingSection(forwarding),
    sent && sentSection(sent),
    verdictSection(verdict, scheduling),
  ]
  return sections
    .filter((section) => section !== null)
    .flatMap(({ label, says, details = [] }) => [
      label.padEnd(LABEL_COLUMNS) + says,
      ...details.map((detail) => INDENTED + detail),
    ])
    .join('\n')
}

function packetSection({ hook, fwmark, text, flaw, lengthBytes, fragment }: PacketExplained): Section {
  const mark = fwmark === 0 ? '' : `, mark ${fwmark}`
  const details = fragment === null ? [] : [FRAGMENT_FATES[fragment] ?? `given up: ${fragment}`]
  const length = flaw === null ? `, ${lengthBytes} octets` : ''
  return { label: 'packet', says: `${text}${length}, ${hook}${mark}`, details }
}

const FRAGMENT_FATES: Readonly<Record<string, string>> = {
  waits: 'waits for the other fragments of its datagram',
  completes: 'completes its datagram',
}

function connectionSection(connection: ConnectionExplained): Section {
  const { becomes, passedOver, inPackets } = connection
  const details = [
    `${count(inPackets, 'packet')} came so far`,
    ...(becomes === null ? [] : [`becomes ${stateText(becomes)}`]),
    ...(passedOver === null ? [] : [`passed over: ${CONNECTION_PASSED_OVER[passedOver]}`]),
  ]
  return { label: 'connection', says: summaryText(connection), details }
}

const summaryText = (summary: ConnectionSummary): string => {
  const { protocol, client, virtual, destination, method } = summary
  return `${protocol} ${client} → ${virtual} → ${destination}, ${method}, ${stateText(summary)}`
}

const stateText = ({ state, expiresSeconds }: Pick<ConnectionSummary, 'state' | 'expiresSeconds'>): string =>
  `${state === '' ? '' : `${state} `}for ${expiresSeconds} s`

const serviceSection = ({ key, found, scheduler, onePacket }: ServiceExplained): Section => ({
  label: 'service',
  says: `${key}, ${SERVICE_FOUND[found]}; scheduler ${scheduler}${onePacket ? ', one packet a connection' : ''}`,
})

const droppingSection = ({ oneIn, spared }: DroppingExplained): Section => ({
  label: 'drop_packet',
  says: `one new connection in ${oneIn}; ${spared === 0 ? 'this one' : `not this one, but after ${spared}`}`,
})

function templateSection({
  clients,
  virtual,
  engine,
  engineData,
  bound,
  passedOver,
}: TemplateExplained): Section {
  const data = engineData === null ? '' : `, ${engine ?? 'engine'} data ${JSON.stringify(engineData)}`
  const state =
    bound === null
      ? 'not bound yet'
      : `bound to ${bound.destination} for ${bound.expiresSeconds} s, ${count(bound.connections, 'connection')}`
  const details = passedOver === null ? [] : [`passed over: ${TEMPLATE_PASSED_OVER[passedOver]}`]
  return { label: 'template', says: `${clients} to ${virtual}${data}: ${state}`, details }
}

function schedulingSection(scheduling: SchedulingExplained): Section {
  const { scheduler, by, candidates } = scheduling
  const rows = candidates.map((candidate) => candidateRow(candidate, scheduling))
  return {
    label: 'scheduler',
    says: `${scheduler}: ${by ?? 'does not explain itself'}`,
    details: aligned(rows),
  }
}

function candidateRow(candidate: CandidateExplained, { picked }: SchedulingExplained): string[] {
  const { destination, weight, active, inactive, score, chance, passedOver } = candidate
  const fate =
    passedOver !== null
      ? `${passedOver}: ${PASSED_OVER[passedOver]}`
      : destination === picked
        ? 'picked'
        : chance === null
          ? 'eligible'
          : `chance ${(chance * 100).toFixed(1)} %`
  return [
    destination,
    `weight ${weight}`,
    `active ${active}`,
    `inactive ${inactive}`,
    score === null ? '' : `score ${rounded(score)}`,
    fate,
  ]
}

function forwardingSection({ destination, method, path, tunnel, hopLimit }: ForwardingExplained): Section {
  const way =
    path === null
      ? 'no path known'
      : `MTU ${path.mtuBytes} from ${path.sourceAddress}${path.isLocal ? ', the director itself' : ''}`
  const says = [
    `${method} ${destination}`,
    ...(tunnel === null ? [] : [`${tunnel.type} tunnel`]),
    way,
    `hop limit ${hopLimit}`,
  ]
  return { label: 'forwarding', says: says.join(', ') }
}

function sentSection({ lengthBytes, changes }: SentExplained): Section {
  const rows = changes.map(({ field, from, to }) => [field, valueText(from), '→', valueText(to)])
  const says = `${lengthBytes} octets${changes.length === 0 ? ', as they came' : ''}`
  return { label: 'sent', says, details: aligned(rows) }
}

const valueText = (value: FieldValue | null): string =>
  typeof value === 'string' ? value.replaceAll('\r', '\\r').replaceAll('\n', '\\n') : `${value ?? '-'}`

function verdictSection(verdict: VerdictExplained, scheduling: SchedulingExplained | null): Section {
  const { kind, reason, destination, isCertain, answer } = verdict
  const supposed = scheduling?.supposed ?? null
  const says = [
    kind,
    ...(reason === '' ? [] : [`: ${reason}`]),
    ...(destination === null ? [] : [` to ${destination}`]),
    ...(isCertain ? [] : [supposed === null ? ', perhaps' : `, if ${supposed} is picked`]),
  ]
  return { label: 'verdict', says: says.join(''), details: answer === null ? [] : [answerText(answer)] }
}

function answerText({ kind, from, to, mtuBytes, isSent }: AnswerExplained): string {
  const mtu = mtuBytes === 0 ? '' : ` (MTU ${mtuBytes})`
  return `ICMP ${kind}${mtu} from ${from} to ${to}${isSent ? '' : ', held back by the limits on ICMP errors'}`
}

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`

const rounded = (score: number): string => `${Math.round(score * 100) / 100}`

/** Columns as wide as their widest cell, two blanks between; empty ones are left out. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  const printed = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd(widths[column]!)).filter((_, column) => widths[column] !== 0)
  return rows.map((row) => printed(row).join('  ').trimEnd())
}
