import type fc from 'fast-check'
import { expect } from 'vitest'
import { type ConnectionSpec, inboundOf, outboundOf } from '../../../test/support/connections.ts'
import { describeSpec, firstOf, inboundKey, type Model, outboundKey, type Real, visible } from './model.ts'

/** A packet of either direction of a connection that may be there or not. */
export class Find implements fc.Command<Model, Real> {
  private readonly spec: ConnectionSpec

  constructor(spec: ConnectionSpec) {
    this.spec = spec
  }

  check(): boolean {
    return true
  }

  run(model: Model, { table }: Real): void {
    const shown = visible(model)
    expect(table.findInbound(inboundOf(this.spec))).toBe(firstOf(shown, this.spec, inboundKey))
    expect(table.findOutbound(outboundOf(this.spec))).toBe(firstOf(shown, this.spec, outboundKey))
  }

  toString(): string {
    return `find ${describeSpec(this.spec)}`
  }
}
