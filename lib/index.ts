/**
 * uipvs, the library: IPVS as pure functions of packets and time. No I/O, no clock, no randomness of its own.
 *
 * @example
 * const director = new Director({ nowMs: 0, random: Math.random })
 * const key = parseServiceKey('tcp:10.0.0.1:80')
 * director.services.add(key, { scheduler: 'wlc', schedulerFlags: 0 })
 * director.services.addDestination(key, parseEndpoint('192.168.1.1:8080'), {
 *   method: 'masquerading', weight: 1, upperThreshold: 0, lowerThreshold: 0,
 * })
 * const verdict = director.process({ bytes, start, end, hook: 'inbound', mark: 0, offload: OFFLOAD.finished, nowMs })
 */

export * from './bytes/address.ts'
export * from './bytes/checksum.ts'
export * from './bytes/crc32c.ts'
export { ConnectionTable, type ConnectionTableOptions } from './conn/connection-table.ts'
export type { ConnectionView } from './conn/connection-view.ts'
export { FLAG, LAYOUT_VERSION, NONE, RECORD_BYTES } from './conn/layout.ts'
export { MAX_TIMEOUT_SEC, type Protocol, type Timeouts } from './conn/protocol.ts'
export {
  nextSctpState,
  SCTP_STATE_NAMES,
  SCTP_STATES,
  SCTP_TIMEOUTS_SEC,
  type SctpState,
} from './conn/sctp-state.ts'
export { DIRECTION, type Direction, UNCHANGED } from './conn/state-table.ts'
export {
  nextTcpState,
  TCP_STATES,
  TCP_TABLES,
  TCP_TIMEOUTS_SEC,
  type TcpState,
} from './conn/tcp-state.ts'
export { Director } from './director/director.ts'
export { printExplanation } from './director/explain-text.ts'
export {
  type AnswerExplained,
  type CandidateExplained,
  type Change,
  CONNECTION_PASSED_OVER,
  type ConnectionExplained,
  type ConnectionPassedOver,
  type ConnectionSummary,
  type DroppingExplained,
  type Explanation,
  type ForwardingExplained,
  type PacketExplained,
  type SchedulingExplained,
  SERVICE_FOUND,
  type SentExplained,
  type ServiceExplained,
  type ServiceFound,
  TEMPLATE_PASSED_OVER,
  type TemplateExplained,
  type TemplatePassedOver,
  type VerdictExplained,
} from './director/explanation.ts'
export { KNOBS, type KnobName, type Knobs, knobFlaw } from './director/knobs.ts'
export { DEFAULT_CONNECTION_LIMIT, type DirectorOptions } from './director/options.ts'
export {
  DROP_REASONS,
  type DropReason,
  PASS_REASONS,
  type PassReason,
  type ReasonCounters,
} from './director/reasons.ts'
export { type Arrival, HEADROOM_BYTES, type Verdict } from './director/verdict.ts'
export { forbidsFragments, fragment } from './encode/fragment.ts'
export { ICMP_ERROR, ICMP_ERROR_MAX_BYTES, type IcmpErrorKind } from './encode/icmp-error.ts'
export { OFFLOAD, type Offload } from './encode/offload.ts'
export { SCHEDULERS } from './sched/index.ts'
export { Counters, type Counts, ESTIMATION_PERIOD_MS } from './service/counters.ts'
export {
  type Destination,
  type DestinationSettings,
  type ForwardingMethod,
  METHOD,
  type Path,
} from './service/destination.ts'
export * from './service/key.ts'
export { granted, isRefusal, REFUSALS, type Refusal, type RefusalCode } from './service/refusal.ts'
export * from './service/scheduler.ts'
export { ServiceTable, type ServiceTableOptions } from './service/service-table.ts'
export {
  DEFAULT_TUNNEL,
  type TunnelChecksum,
  type TunnelSettings,
  type TunnelType,
} from './service/tunnel.ts'
export type { ServiceSettings, VirtualService } from './service/virtual-service.ts'
export { type Field, type FieldValue, headerFields } from './wire/fields.ts'
export * from './wire/icmp.ts'
export * from './wire/icmpv6.ts'
export * from './wire/ipv4.ts'
export * from './wire/ipv6.ts'
export * from './wire/malformed.ts'
export { Packet } from './wire/packet.ts'
export * from './wire/protocol.ts'
export * from './wire/sctp.ts'
export * from './wire/tcp.ts'
export * from './wire/transport-checksum.ts'
export * from './wire/udp.ts'
