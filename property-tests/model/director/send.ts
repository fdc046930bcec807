import type fc from 'fast-check'
import { expect } from 'vitest'
import { tcp4, tcp6, udp4, udp6 } from '../../../test/support/packets.ts'
import {
  boundClient,
  type Connection,
  expectAgreement,
  follow,
  isVisible,
  type Model,
  type Real,
  type Server,
  type ServiceKind,
  type Template,
  TICK_MS,
} from './model.ts'

/** A packet from a client. The scheduler, if it is asked, takes the `choice`-th of those that may be taken. */
export class Send implements fc.Command<Model, Real> {
  private readonly client: number
  private readonly clientPort: number
  private readonly virtualPort: number
  private readonly flags: string
  private readonly choice: number

  constructor(client: number, clientPort: number, virtualPort: number, flags: string, choice: number) {
    this.client = client
    this.clientPort = clientPort
    this.virtualPort = virtualPort
    this.flags = flags
    this.choice = choice
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    const { kind } = model
    real.choice.at = this.choice
    const expected = this.expected(model)
    const { kind: verdict, reason, destination } = real.stage.inbound(this.packet(kind), { mark: kind.mark })
    const found = destination === null ? reason : `${verdict} ${destination}`
    expect(found).toBe(expected)
    expectAgreement(model, real)
  }

  private packet({ transport, virtual, clients }: ServiceKind): Uint8Array {
    const { host } = clients[this.client]!
    const isIpv6 = host.includes(':')
    const source = `${isIpv6 ? `[${host}]` : host}:${this.clientPort}`
    const destination = `${virtual}:${this.virtualPort}`
    return BUILDERS[transport][isIpv6 ? 6 : 4]({ source, destination, flags: this.flags })
  }

  /** What becomes of the packet; the model is as after it. */
  private expected(model: Model): string {
    const { kind, nowMs } = model
    const known = model.connections.find(
      (each) =>
        isVisible(each) &&
        each.clientPort === this.clientPort &&
        each.virtualPort === this.virtualPort &&
        each.client === kind.clients[this.client],
    )
    if (known !== undefined && !this.isOver(model, known)) {
      if (!known.server.isThere) return 'destination-removed'
      follow(model, known, 'in', this.flags)
      return forwarded(known.server)
    }
    if (known !== undefined) {
      known.isHidden = true
      known.dueMs = nowMs + TICK_MS
    }
    const starts = kind.transport === 'udp' || (this.flags.includes('S') && !this.flags.includes('R'))
    if (!starts) return 'not-a-connection-start'
    if (kind.port !== 0 && kind.port !== this.virtualPort) return 'no-service'
    const template = kind.persistence === null ? null : this.template(model)
    const server = template?.server ?? (kind.persistence === null ? this.chosen(model) : null)
    if (server === null) return 'no-destination'
    const connection: Connection = {
      client: kind.clients[this.client]!,
      clientPort: this.clientPort,
      virtualPort: this.virtualPort,
      server,
      template,
      state: kind.transport === 'udp' ? 'UDP' : 'NONE',
      dueMs: 0,
      isHidden: false,
    }
    model.connections.unshift(connection)
    follow(model, connection, 'in', this.flags)
    if (template !== null) template.dueMs = nowMs + template.timeoutMs
    return forwarded(server)
  }

  /** Whether the packet is not for the connection of its endpoints any more. */
  private isOver({ kind, knobs }: Model, { server, state, template }: Connection): boolean {
    if (knobs.expireNodest && !server.isThere) return true
    if (kind.transport === 'udp' || !this.flags.includes('S')) return false
    if (knobs.expireNodest && server.weight === 0) return true
    const isUnanswered = server.method === 'gatewaying'
    const isClosing =
      state === 'TIME_WAIT' ||
      state === 'CLOSE' ||
      (state === 'FIN_WAIT' && isUnanswered && (knobs.reuseMode & 2) !== 0)
    return knobs.reuseMode !== 0 && template === null && isClosing
  }

  /** The template that binds the client, perhaps a new one; null when there is nobody to bind it to. */
  private template(model: Model): Template | null {
    const { kind, knobs, nowMs } = model
    const client = boundClient(kind, kind.clients[this.client]!)
    const known = model.templates.find((each) => each.client === client && !each.isInvalid)
    if (known !== undefined) {
      const isQuiescent = knobs.expireQuiescent && known.server.weight === 0
      if (known.server.isThere && !isQuiescent) return known
      known.isInvalid = true
    }
    const server = this.chosen(model)
    if (server === null) return null
    const timeoutMs = kind.persistence!.timeoutSec * 1000
    const fresh = { client, server, timeoutMs, dueMs: nowMs + timeoutMs, isAssured: false, isInvalid: false }
    model.templates.unshift(fresh)
    return fresh
  }

  private chosen({ pool }: Model): Server | null {
    const eligible = pool.filter(({ weight }) => weight > 0)
    return eligible[this.choice % eligible.length] ?? null
  }

  toString(): string {
    return `send ${this.flags} from client ${this.client}:${this.clientPort} to port ${this.virtualPort}, choice ${this.choice}`
  }
}

const forwarded = ({ method, at }: Server): string =>
  `${method === 'gatewaying' ? 'direct' : 'rewrite'} ${at}`

const BUILDERS = { tcp: { 4: tcp4, 6: tcp6 }, udp: { 4: udp4, 6: udp6 } } as const
