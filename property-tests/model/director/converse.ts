import type fc from 'fast-check'
import type { Model, Real } from './model.ts'
import { Send } from './send.ts'

/** A client's packets of one connection, one after the other. */
export class Converse implements fc.Command<Model, Real> {
  private readonly sends: readonly Send[]

  constructor(
    client: number,
    clientPort: number,
    virtualPort: number,
    flags: readonly string[],
    choice: number,
  ) {
    this.sends = flags.map((each) => new Send(client, clientPort, virtualPort, each, choice))
  }

  check(): boolean {
    return true
  }

  run(model: Model, real: Real): void {
    for (const send of this.sends) send.run(model, real)
  }

  toString(): string {
    return this.sends.join(', ')
  }
}
