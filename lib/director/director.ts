/**
 * The director: what happens to a packet, on one page.
 *
 * 1. {@link Director.process} reads the packet once. What cannot be read is dropped and counted by its flaw. Fragments wait
 *    until their datagram is whole (`fragments.ts`).
 * 2. Inbound (`inbound.ts`), the connection table is asked first. A stranger goes to the service table: is there a virtual
 *    service, and whom does its scheduler pick? The new connection is written down (`placement.ts`).
 * 3. The packet is counted, the connection's state and deadline move on (`following.ts`), and its forwarding method's
 *    encoder does the rest: rewrite (masquerading), leave as it is (gatewaying), wrap (tunnels) (`transmission.ts`).
 * 4. Outbound (`outbound.ts`), a masqueraded server's answer is found by its reverse endpoints and rewritten to come from
 *    the service.
 * 5. What is of no followed protocol is the host's own business, unless it is an ICMP error about a connection
 *    (`errors.ts`).
 */

import { ConnectionTable } from '../conn/connection-table.ts'
import { FLAG, RECORD_WORDS, WORD } from '../conn/layout.ts'
import { Lookahead } from '../conn/lookahead.ts'
import {
  type Protocol,
  protocols,
  protocolTable,
  readTimeouts,
  type Timeouts,
  writeTimeouts,
} from '../conn/protocol.ts'
import { ENGINES } from '../persistence/index.ts'
import { SCHEDULERS } from '../sched/index.ts'
import { Counters } from '../service/counters.ts'
import { ServiceTable } from '../service/service-table.ts'
import { Packet } from '../wire/packet.ts'
import { Answers } from './answers.ts'
import { Defence } from './defence.ts'
import { Errors } from './errors.ts'
import { explain, type Tables, type Understudy } from './explain.ts'
import type { Explanation } from './explanation.ts'
import { Following } from './following.ts'
import { Fragments } from './fragments.ts'
import { FtpHelper } from './ftp-helper.ts'
import { FullNat } from './full-nat.ts'
import { Housekeeping } from './housekeeping.ts'
import { Inbound } from './inbound.ts'
import { defaultKnobs, type Knobs } from './knobs.ts'
import { Notices } from './notices.ts'
import { DEFAULT_CONNECTION_LIMIT, type DirectorOptions } from './options.ts'
import { Outbound } from './outbound.ts'
import { Placement } from './placement.ts'
import type { ReasonCounters } from './reasons.ts'
import { Related } from './related.ts'
import { Scratch } from './scratch.ts'
import { Transmission } from './transmission.ts'
import type { Arrival, Verdict } from './verdict.ts'

const DEFAULT_FTP_PORTS: readonly number[] = [21]
const KERNEL_FORWARDS_NOTHING = { masquerading: false, gatewaying: false } as const

export class Director {
  readonly services: ServiceTable
  readonly connections: ConnectionTable
  readonly totals = new Counters()
  /** To be changed at any time; what they may hold, `knobFlaw` tells. */
  readonly knobs: Knobs = defaultKnobs()
  readonly #options: DirectorOptions
  readonly #protocols = protocols({
    sloppyTcp: () => this.knobs.sloppy_tcp !== 0,
    sloppySctp: () => this.knobs.sloppy_sctp !== 0,
    secureTcp: () => this.#defence.isActive('secure_tcp'),
  })
  readonly #protocolTable = protocolTable(this.#protocols)
  readonly #packet = new Packet()
  readonly #defence = new Defence(this.knobs)
  readonly #lookahead: Lookahead
  readonly #answers: Answers
  readonly #fragments: Fragments
  readonly #ftp: FtpHelper
  readonly #fullNat: FullNat
  readonly #inbound: Inbound
  readonly #outbound: Outbound
  readonly #errors: Errors
  readonly #housekeeping: Housekeeping

  /** `tables` are given to an understudy alone: see {@link Director.explain}. */
  constructor(options: DirectorOptions, tables?: Tables) {
    const { random } = options
    const { totals, knobs } = this
    const { services, connections } = tables ?? makeTables(options, knobs)
    this.#options = options
    this.services = services
    this.connections = connections
    const packet = this.#packet
    const protocols = this.#protocolTable
    const scratch = new Scratch()
    const answers = new Answers(packet, random)
    const following = new Following(packet, connections, totals)
    const ports = options.ftpPorts ?? DEFAULT_FTP_PORTS
    const ftp = new FtpHelper({ packet, services, connections, tcp: this.#protocols.tcp, scratch, ports })
    const fullNat = new FullNat(connections, random)
    const related = new Related(connections, protocols, fullNat)
    const placement = new Placement({
      services,
      connections,
      totals,
      knobs,
      ftp,
      fullNat,
      notices: new Notices(options.notice ?? (() => {})),
      isLocal: options.isLocal ?? (() => false),
      unbind: this.#unbind,
    })
    const transmission = new Transmission({
      packet,
      words: connections.words,
      answers,
      knobs,
      following,
      scratch,
      ftp,
      fullNat,
      kernelForwards: options.kernelForwards ?? KERNEL_FORWARDS_NOTHING,
    })
    const parts = {
      packet,
      services,
      connections,
      knobs,
      answers,
      placement,
      following,
      transmission,
      ftp,
      fullNat,
      related,
      protocols,
      defence: this.#defence,
      answersEcho: options.answersEcho ?? false,
      unbind: this.#unbind,
    }
    this.#lookahead = new Lookahead(connections)
    this.#answers = answers
    this.#fragments = new Fragments(packet, answers.dropped, parts.answersEcho)
    this.#ftp = ftp
    this.#fullNat = fullNat
    this.#inbound = new Inbound(parts)
    this.#outbound = new Outbound(parts)
    this.#errors = new Errors(parts)
    this.#housekeeping = new Housekeeping({
      services,
      connections,
      totals,
      knobs,
      defence: this.#defence,
      fragments: this.#fragments,
      protocols,
      random,
      availablePages: options.availablePages ?? (() => Number.POSITIVE_INFINITY),
      unbind: this.#unbind,
      nowMs: options.nowMs,
    })
  }

  /** Packets that went nowhere, by reason. */
  get dropped(): ReasonCounters {
    return this.#answers.dropped
  }

  /** Packets that were left to the kernel, by reason. */
  get passed(): ReasonCounters {
    return this.#answers.passed
  }

  /** Holds the ICMP error of a verdict with `answerBytes` above 0. */
  get answer(): Uint8Array {
    return this.#answers.answer
  }

  /** FTP control connections whose text is read, by the port of their service. */
  get ftpConnections(): ReadonlyMap<number, number> {
    return this.#ftp.connectionsByPort
  }

  /** What becomes of one packet. The verdict is valid until the next call. */
  process(arrival: Arrival): Verdict {
    const packet = this.#packet
    const answers = this.#answers
    answers.reassembled = null
    const flaw = packet.read(arrival.bytes, arrival.start, arrival.end)
    if (flaw !== null) return answers.drop(flaw.reason)
    const protocol = this.#protocolTable[packet.protocol]
    if (packet.isFragment && this.#fragments.isToBeHeld(protocol?.hasPorts === true)) {
      const whole = this.#fragments.complete(arrival.nowMs)
      if (whole === null) return answers.absorb()
      const wholeFlaw = this.#fragments.read(whole)
      if (wholeFlaw !== null) return answers.drop(wholeFlaw.reason)
      answers.reassembled = whole
    }
    if (protocol === undefined) return this.#errors.process(arrival)
    if (arrival.hook === 'inbound') return this.#inbound.process(arrival, protocol)
    return this.#outbound.process(arrival, protocol)
  }

  /**
   * Optional, for batches: a packet that {@link Director.process} is to be given soon, whose header starts at `start`. Changes
   * nothing but speed; {@link Director.fetchExpected} follows once the batch is told.
   */
  expect(bytes: Uint8Array, start: number, hook: Arrival['hook']): void {
    this.#lookahead.note(bytes, start, hook === 'inbound')
  }

  /** Brings near what the expected packets will need. */
  fetchExpected(): void {
    this.#lookahead.touch()
  }

  /**
   * Lets time pass: forgets connections that are due, takes the statistics' snapshots. To be called a few times a second;
   * looks at no more than `budget` connections a call and says false when more are due.
   */
  passTime(nowMs: number, budget = 4096): boolean {
    return this.#housekeeping.passTime(nowMs, budget)
  }

  /** What would become of a packet, and why. Changes nothing, and leaves the packet's bytes and the last verdict as they are. */
  explain(arrival: Arrival): Explanation {
    return explain(arrival, this, {
      defence: this.#defence,
      answers: this.#answers,
      fragments: this.#fragments,
      understudy: (wanted) => this.#understudy(wanted),
    })
  }

  get timeouts(): Timeouts {
    return readTimeouts(this.#protocols)
  }

  /** In seconds; 0 leaves one as it is. */
  set timeouts(timeouts: Timeouts) {
    writeTimeouts(this.#protocols, timeouts)
  }

  /** The protocol a connection's protocol number stands for, for listings. */
  protocol(number: number): Protocol | undefined {
    return this.#protocolTable[number]
  }

  /** A connection goes: its destination counts it no more, and who helped it forgets it. */
  readonly #unbind = (record: number): void => {
    const { services, connections } = this
    const base = record * RECORD_WORDS
    const flags = connections.words[base + WORD.flags]!
    const destination = services.destination(connections.words[base + WORD.destinationId]!)
    destination.unbind((flags & FLAG.template) !== 0, (flags & FLAG.inactive) !== 0)
    if ((flags & FLAG.helped) !== 0) this.#ftp.forget(record)
    if ((flags & FLAG.fullNat) !== 0) this.#fullNat.release(record)
  }

  /** A director that would do with the packet as this one would now; all that it changes is its own. */
  #understudy({ tables, packet, random }: Understudy): Director {
    const { connections } = tables
    const understudy = new Director({ ...this.#options, random, notice: () => {} }, tables)
    Object.assign(understudy.knobs, this.knobs)
    understudy.timeouts = this.timeouts
    understudy.#defence.imitate(this.#defence)
    understudy.#answers.imitate(this.#answers)
    understudy.#fullNat.imitate(this.#fullNat, (record) => connections.adopt(record))
    if (packet.isFragment) understudy.#fragments.imitate(this.#fragments, packet)
    connections.whenCopied((theirs, own) => understudy.#ftp.imitate(this.#ftp, theirs, own))
    return understudy
  }
}

function makeTables({ nowMs, random, connectionLimit, schedulers }: DirectorOptions, knobs: Knobs): Tables {
  const services = new ServiceTable({
    schedulers: schedulers ?? SCHEDULERS,
    engines: Object.keys(ENGINES),
    random,
    knobs,
  })
  const limit = connectionLimit ?? DEFAULT_CONNECTION_LIMIT
  return { services, connections: new ConnectionTable({ limit, seed: random() * 2 ** 32, nowMs }) }
}
