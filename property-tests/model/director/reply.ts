import type fc from 'fast-check'
import { expect } from 'vitest'
import { tcp4, tcp6, udp4, udp6 } from '../../../test/support/packets.ts'
import {
  type Connection,
  expectAgreement,
  follow,
  isVisible,
  type Model,
  type Real,
  type ServiceKind,
} from './model.ts'

/** The server of the `pick`-th connection answers, be it removed or not. Only masqueraded servers' answers come by. */
export class Reply implements fc.Command<Model, Real> {
  private readonly pick: number
  private readonly flags: string

  constructor(pick: number, flags: string) {
    this.pick = pick
    this.flags = flags
  }

  check(model: Readonly<Model>): boolean {
    return answerable(model).length > 0
  }

  run(model: Model, real: Real): void {
    const { kind } = model
    const all = answerable(model)
    const connection = all[this.pick % all.length]!
    const { client, clientPort } = connection
    const isIpv6 = client.host.includes(':')
    const destination = `${isIpv6 ? `[${client.host}]` : client.host}:${clientPort}`
    const source = serverEnd(kind, connection)
    const build = kind.transport === 'udp' ? (isIpv6 ? udp6 : udp4) : isIpv6 ? tcp6 : tcp4
    expect(real.stage.outbound(build({ source, destination, flags: this.flags })).kind).toBe('rewrite')
    follow(model, connection, 'out', this.flags)
    expectAgreement(model, real)
  }

  toString(): string {
    return `answer ${this.flags} on #${this.pick}`
  }
}

/** Where the connection goes: by persistence for any port, to the one that the client has asked for. */
const serverEnd = ({ persistence, port }: ServiceKind, { server, virtualPort }: Connection): string =>
  persistence !== null && port === 0 ? server.at.replace(/\d+$/, `${virtualPort}`) : server.at

/** Of connections with the same ends as the server sees them, the newest gets its answers. */
function answerable({ kind, connections }: Model): Connection[] {
  const ends = (each: Connection) => `${each.client.host} ${each.clientPort} ${serverEnd(kind, each)}`
  const visible = connections.filter((each) => isVisible(each) && each.server.method === 'masquerading')
  return visible.filter((each, index) => visible.findIndex((other) => ends(other) === ends(each)) === index)
}
