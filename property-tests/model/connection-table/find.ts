import type fc from 'fast-check'
import { expect } from 'vitest'
import { type ConnectionSpec, inboundOf, outboundOf } from '../../../test/support/connections.ts'
import {
  describeSpec,
  firstInbound,
  firstOutbound,
  firstTemplate,
  type Model,
  type Real,
  templateOf,
} from './model.ts'

/** A packet of either direction of a connection that may be there or not; and the template that would bind its client. */
export class Find implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec
  private readonly data: string | null

  constructor(spec: ConnectionSpec, data: string | null) {
    this.spec = spec
    this.data = data
  }

  check(): boolean {
    return true
  }

  run(model: Model, { table }: Real): void {
    const { spec, data } = this
    expect(table.findInbound(inboundOf(spec))).toBe(firstInbound(model, spec))
    expect(table.findOutbound(outboundOf(spec))).toBe(firstOutbound(model, spec))
    expect(table.findTemplate(templateOf(spec), data)).toBe(firstTemplate(model, spec, data))
  }

  toString(): string {
    return `find ${describeSpec(this.spec)} of ${this.data}`
  }
}
