import type fc from 'fast-check'
import { expectAgreement, isVisible, type Model, type Real } from './model.ts'

const POSTPONED_MS = 60_000

/** Time goes by, from one moment at which something is due to the next. */
export class PassTime implements fc.Command<Model, Real> {
  private readonly ms: number

  constructor(ms: number) {
    this.ms = ms
  }

  /** Where a template and one of its connections end in the same moment, which goes first is nobody's promise. */
  check({ templates, connections }: Readonly<Model>): boolean {
    return !templates.some((template) =>
      connections.some(
        (each) => each.template === template && (each.dueMs - template.dueMs) % POSTPONED_MS === 0,
      ),
    )
  }

  run(model: Model, real: Real): void {
    const endMs = model.nowMs + this.ms
    for (;;) {
      const dueMs = [...model.connections, ...model.templates].map((each) => each.dueMs)
      const nextMs = Math.min(endMs, ...dueMs)
      // Twice: what is swept out may leave behind what is to be swept out.
      real.stage.passTime(nextMs - model.nowMs)
      real.stage.passTime(0)
      model.nowMs = nextMs
      if (model.knobs.expireNodest) sweepOrphans(model)
      expire(model)
      if (model.knobs.expireNodest) sweepOrphans(model)
      if (nextMs === endMs) break
    }
    expectAgreement(model, real)
  }

  toString(): string {
    return `pass ${this.ms} ms`
  }
}

const controls = ({ connections }: Model, template: Model['templates'][number]): boolean =>
  connections.some((each) => each.template === template)

/** Whatever is bound to a removed server goes; and templates that nobody needs any more. */
function sweepOrphans(model: Model): void {
  const isOrphan = (each: Model['connections'][number]) => !each.server.isThere && isVisible(each)
  const left = new Set(model.connections.filter(isOrphan).map(({ template }) => template))
  model.connections = model.connections.filter((each) => !isOrphan(each))
  model.templates = model.templates.filter(
    (each) => controls(model, each) || !(left.has(each) || !each.server.isThere),
  )
}

/** What is due ends; a template that still has connections is put off by a minute. */
function expire(model: Model): void {
  model.connections = model.connections.filter(({ dueMs }) => dueMs > model.nowMs)
  for (const template of model.templates) {
    if (template.dueMs > model.nowMs || !controls(model, template)) continue
    template.timeoutMs = POSTPONED_MS
    template.dueMs = model.nowMs + POSTPONED_MS
  }
  model.templates = model.templates.filter(({ dueMs }) => dueMs > model.nowMs)
}
